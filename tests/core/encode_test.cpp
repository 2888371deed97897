// Encoding: what a type can hold comes back, and what it cannot comes back as near as the type allows.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
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

float extreme(const std::vector<float>& group) {
  return *std::max_element(group.begin(), group.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
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

TEST_CASE("a group is nearer than with the scale that its extreme alone gives, and never much farther") {
  struct Case {
    DType type;
    float low, high, size;
    double share;
  };
  for (const auto& [type, low, high, size, share] : {Case{DType::int8, -127, 127, 1, 0.82},
                                                     {DType::int8, -127, 127, 1e-3F, 0.9},  // halves of few bits
                                                     {DType::int8, -127, 127, 1e-4F, 0.95},
                                                     {DType::int8, -127, 127, 5e6F, 1},  // as large as a half can be
                                                     {DType::int4, -8, 7, 1, 0.9},
                                                     {DType::int4, -8, 7, 1e-4F, 0.95}}) {
    double found = 0, plain = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
      const std::vector<float> in = normal(32, size, seed);
      const float most = extreme(in);
      const float wanted = type == DType::int8 ? std::fabs(most) / high : most / low;
      const float scale = f16_to_f32(f32_to_f16(std::clamp(wanted, -65504.0F, 65504.0F)));
      std::vector<float> simple(32);
      for (std::size_t i = 0; i < 32; ++i) simple[i] = std::clamp(std::nearbyint(in[i] / scale), low, high) * scale;
      const std::vector<float> out = there_and_back(in, type);
      const double one = squared_error(in, out, 0, 32), other = squared_error(in, simple, 0, 32);
      CHECK(one <= other * 1.001);
      found += one;
      plain += other;
    }
    CHECK(found < share * plain);
  }
}

TEST_CASE("a group of an int8 row does not see its neighbour") {
  std::vector<float> in = normal(64, 1, 2);
  const std::vector<float> alone = there_and_back({in.begin(), in.begin() + 32}, DType::int8);
  for (std::size_t i = 32; i < 64; ++i) in[i] *= 1000;
  const std::vector<float> out = there_and_back(in, DType::int8);
  CHECK(std::equal(alone.begin(), alone.end(), out.begin()));
  CHECK(squared_error(in, out, 32, 64) < 32 * 1e6 * 1e-4);
}

// Numbers of four bits, with a minimum or without, are few: they should be found, not rounded once more.
TEST_CASE("what came from four bits loses less in int8 than other numbers do") {
  double of_few = 0, of_few_from_zero = 0, of_many = 0;
  std::mt19937 random(7);
  std::uniform_real_distribution<float> step(0.5F, 2.0F);
  std::uniform_int_distribution<int> number(0, 15);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> few(32), from_zero(32), many(32);
    const float d = step(random), minimum = -d * (6 + step(random));
    std::uniform_real_distribution<float> any(minimum, minimum + 15 * d);
    for (std::size_t i = 0; i < 32; ++i) {
      few[i] = d * static_cast<float>(i == 0 ? 0 : i == 1 ? 15 : number(random)) + minimum;
      from_zero[i] = f16_to_f32(f32_to_f16(d)) * static_cast<float>(i == 0 ? -8 : number(random) - 8);  // as in Q4_0
      many[i] = any(random);
    }
    const auto error = [](const std::vector<float>& in) { return squared_error(in, there_and_back(in, DType::int8), 0, 32); };
    of_few += error(few);
    of_few_from_zero += error(from_zero);
    of_many += error(many);
  }
  CHECK(of_few < 0.25 * of_many);
  CHECK(of_few_from_zero == 0);
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
