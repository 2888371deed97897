// Encoding: what a type can hold comes back, and what it cannot comes back as near as the type allows.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "tsrun/core/dtype.hpp"

using namespace tsrun;

namespace {

std::vector<float> there_and_back(const std::vector<float>& in, DType type) {
  TensorRows rows = TensorRows::zeros(type, 2, static_cast<std::int64_t>(in.size()));
  encode_row(in.data(), rows, 1);
  std::vector<float> out(in.size());
  decode_rows(rows, 1, 1, out.data());
  return out;
}

std::vector<float> normal(std::size_t n, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> out(n);
  for (float& v : out) v = distribution(random);
  return out;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b, std::size_t first, std::size_t last) {
  double sum = 0;
  for (std::size_t i = first; i < last; ++i) sum += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return sum;
}

}  // namespace

TEST_CASE("plain types round to nearest") {
  const std::vector<float> in = normal(96, 3, 1);
  CHECK(there_and_back(in, DType::f32) == in);
  const std::vector<float> half = there_and_back(in, DType::f16), brain = there_and_back(in, DType::bf16);
  for (std::size_t i = 0; i < in.size(); ++i) {
    CHECK(half[i] == f16_to_f32(f32_to_f16(in[i])));
    CHECK(brain[i] == bf16_to_f32(f32_to_bf16(in[i])));
  }
}

TEST_CASE("what a group can hold comes back as it was") {
  for (const float scale : {0.5F, 2.0F, -0.25F, 0.03125F}) {
    std::vector<float> bytes(64), halves(64);
    for (std::size_t i = 0; i < 64; ++i) {
      bytes[i] = static_cast<float>(static_cast<int>(i * 4) - 127) * scale;
      halves[i] = static_cast<float>(static_cast<int>(i % 16) - 8) * scale;
    }
    bytes[63] = 127 * scale;
    CHECK(there_and_back(bytes, DType::int8) == bytes);
    CHECK(there_and_back(halves, DType::int4) == halves);
  }
  const std::vector<float> zeros(64, 0.0F);
  CHECK(there_and_back(zeros, DType::int8) == zeros);
  CHECK(there_and_back(zeros, DType::int4) == zeros);
}

TEST_CASE("an int8 value is off by at most half a step of its group, and a group does not see its neighbour") {
  std::vector<float> in = normal(64, 1, 2);
  for (std::size_t i = 32; i < 64; ++i) in[i] *= 1000;
  const std::vector<float> out = there_and_back(in, DType::int8);
  for (std::size_t g = 0; g < 64; g += 32) {
    float most = 0;
    for (std::size_t i = g; i < g + 32; ++i) most = std::max(most, std::fabs(in[i]));
    const float half_a_step = most / 127 * 0.5F * 1.07F;  // the scale is a half, so the last value may be beyond 127
    for (std::size_t i = g; i < g + 32; ++i) CHECK(std::fabs(in[i] - out[i]) <= half_a_step);
  }
}

TEST_CASE("an int4 group is nearer than with the scale that its extreme alone gives, and never much farther") {
  double found = 0, plain = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    const std::vector<float> in = normal(32, 1, seed);
    const float most =
        *std::max_element(in.begin(), in.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    const float scale = f16_to_f32(f32_to_f16(most / -8));
    std::vector<float> simple(32);
    for (std::size_t i = 0; i < 32; ++i) simple[i] = std::clamp(std::nearbyint(in[i] / scale), -8.0F, 7.0F) * scale;
    const std::vector<float> out = there_and_back(in, DType::int4);
    const double one = squared_error(in, out, 0, 32), other = squared_error(in, simple, 0, 32);
    CHECK(one <= other * 1.001);
    found += one;
    plain += other;
  }
  CHECK(found < 0.9 * plain);
}

TEST_CASE("values beyond the reach of a scale are held by it, and tiny ones do not become infinite") {
  for (const float size : {1e30F, 1e-30F, 1e-7F})
    for (const DType type : {DType::int8, DType::int4})
      for (const float v : there_and_back(std::vector<float>(32, size), type)) {
        CHECK(std::isfinite(v));
        CHECK(v >= 0);
        CHECK(v <= std::max(size, 1e-6F) * 1.1F);
      }
}
