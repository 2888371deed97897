// Products, attention and the rows between them against plain loops in double.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/matmul.hpp"
#include "tsrun/kernels/rows.hpp"

using namespace tsrun;

namespace {

std::vector<float> random_floats(std::size_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(n);
  for (float& x : v) x = normal(generator);
  return v;
}

std::vector<std::uint16_t> to_bf16(const std::vector<float>& v) {
  std::vector<std::uint16_t> out;
  for (const float x : v) out.push_back(f32_to_bf16(x));
  return out;
}

bool same_bits(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

}  // namespace

TEST_CASE("matmul is the product, for every tail") {
  for (const std::int64_t k : {1, 3, 16, 31, 32, 72, 130})
    for (const std::int64_t n : {1, 2, 3, 4, 5, 9})
      for (const std::int64_t columns : {1, 2, 3, 4, 5, 7, 12, 131}) {
        const auto x = random_floats(static_cast<std::size_t>(n * k), 1), w = random_floats(static_cast<std::size_t>(columns * k), 2);
        const auto half = to_bf16(w);
        std::vector<float> y(static_cast<std::size_t>(n * columns)), yh(y.size());
        matmul(x.data(), n, {DType::f32, columns, k, w.data()}, y.data());
        matmul(x.data(), n, {DType::bf16, columns, k, half.data()}, yh.data());
        for (std::int64_t r = 0; r < n; ++r)
          for (std::int64_t c = 0; c < columns; ++c) {
            double sum = 0, sum_half = 0;
            for (std::int64_t i = 0; i < k; ++i) {
              const double xi = x[static_cast<std::size_t>(r * k + i)];
              sum += xi * w[static_cast<std::size_t>(c * k + i)];
              sum_half += xi * bf16_to_f32(half[static_cast<std::size_t>(c * k + i)]);
            }
            const auto at = static_cast<std::size_t>(r * columns + c);
            CHECK(std::abs(y[at] - sum) < 1e-5 * std::sqrt(static_cast<double>(k)) + 1e-6);
            CHECK(std::abs(yh[at] - sum_half) < 1e-5 * std::sqrt(static_cast<double>(k)) + 1e-6);
          }
      }
}

TEST_CASE("a row's bits do not depend on how many rows are beside it") {
  for (const std::int64_t k : {6, 8, 54, 200}) {
  const std::int64_t columns = 77, most = 70;
  const auto x = random_floats(static_cast<std::size_t>(most * k), 3), w = random_floats(static_cast<std::size_t>(columns * k), 4);
  const auto half = to_bf16(w);
  for (const Matrix& m : {Matrix{DType::f32, columns, k, w.data()}, Matrix{DType::bf16, columns, k, half.data()}}) {
    std::vector<float> all(static_cast<std::size_t>(most * columns)), some(all.size());
    matmul(x.data(), most, m, all.data());
    for (std::int64_t n = 1; n < most; ++n) {
      matmul(x.data() + (most - n) * k, n, m, some.data());
      CHECK(same_bits(some.data(), all.data() + (most - n) * columns, n * columns));
    }
  }
  }
}

TEST_CASE("attention over the cache is causal softmax attention, over all positions or a window") {
  const std::int64_t Q = 24, heads = 3, L = 21, context = 9, positions = 40;
  const float scale = 0.3F;
  for (const DType type : {DType::f32, DType::bf16})
  for (const std::int64_t window : {0, 1, 7, 29}) {
    KvLayer cache(type, 2, 2, positions, Q);
    const auto keys = random_floats(static_cast<std::size_t>(2 * positions * Q), 5), values = random_floats(keys.size(), 6);
    for (std::int64_t j = 0; j < 2; ++j)
      for (std::int64_t s = 0; s < context + L; ++s)
        cache.store(1, j, s, keys.data() + (j * positions + s) * Q, values.data() + (j * positions + s) * Q);
    const auto q = random_floats(static_cast<std::size_t>(2 * L * heads * Q), 7);
    std::vector<float> out(q.size(), 99);
    const AttentionRow rows[] = {{0, 0, 0}, {1, L - 2, context}};  // an empty row, and one with two padded tokens
    const int slot_of[] = {0, 1, 1};
    attention({L, heads, Q, scale, window}, rows, slot_of, q.data(), cache, out.data());
    for (std::int64_t i = 0; i < L * heads * Q; ++i) CHECK(out[static_cast<std::size_t>(i)] == 0);
    const auto held = [type](float v) { return type == DType::f32 ? v : bf16_to_f32(f32_to_bf16(v)); };
    for (std::int64_t l = 0; l < L; ++l)
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::int64_t at = ((L + l) * heads + h) * Q, reach = context + l + 1, j = slot_of[h];
        const std::int64_t begin = window > 0 ? std::max<std::int64_t>(0, reach - window) : 0;
        std::vector<double> score;
        double sum = 0;
        for (std::int64_t s = begin; s < reach; ++s) {
          double dot = 0;
          for (std::int64_t c = 0; c < Q; ++c)
            dot += static_cast<double>(q[static_cast<std::size_t>(at + c)]) * held(keys[static_cast<std::size_t>((j * positions + s) * Q + c)]);
          score.push_back(std::exp(dot * static_cast<double>(scale)));
          sum += score.back();
        }
        for (std::int64_t c = 0; c < Q; ++c) {
          double wanted = 0;
          for (std::int64_t s = begin; s < reach; ++s)
            wanted += score[static_cast<std::size_t>(s - begin)] / sum * held(values[static_cast<std::size_t>((j * positions + s) * Q + c)]);
          CHECK(std::abs(out[static_cast<std::size_t>(at + c)] - (l < L - 2 ? wanted : 0)) < 1e-5);
        }
      }
  }
}

TEST_CASE("a token's attention has the same bits in any chunk") {
  for (const std::int64_t Q : {6, 8, 16, 24, 64}) {
  const std::int64_t heads = 2, L = 37;
  const float scale = 0.2F;
  KvLayer cache(DType::f32, 1, 1, L, Q);
  const auto keys = random_floats(static_cast<std::size_t>(L * Q), 8);
  for (std::int64_t s = 0; s < L; ++s) cache.store(0, 0, s, keys.data() + s * Q, keys.data() + s * Q);
  const auto q = random_floats(static_cast<std::size_t>(L * heads * Q), 9);
  std::vector<float> whole(q.size()), part(q.size());
  const int slot_of[] = {0, 0};
  const AttentionRow all{0, L, 0};
  attention({L, heads, Q, scale}, {&all, 1}, slot_of, q.data(), cache, whole.data());
  for (std::int64_t first = 0, size = 1; first < L; first += size, ++size) {
    const AttentionRow row{0, std::min(size, L - first), first};
    attention({row.new_tokens, heads, Q, scale}, {&row, 1}, slot_of, q.data() + first * heads * Q, cache, part.data());
    CHECK(same_bits(part.data(), whole.data() + first * heads * Q, row.new_tokens * heads * Q));
  }
  }
}

TEST_CASE("the best id of the vocabulary is real, and the smallest of equals") {
  const float logits[] = {1, 7, 7, 3, 99};
  const Best best = best_of(logits, {10, 5, 14});  // id 14 is padding
  CHECK(best.id == 11);
  CHECK(best.logit == 7);
  CHECK(best_of(logits, {20, 5, 14}).logit < -1e30F);
}

TEST_CASE("a log-probability is put together from parts of the vocabulary") {
  const auto logits = random_floats(12, 10);
  for (std::int32_t target = 0; target < 10; ++target) {
    double sum = 0;
    for (std::size_t i = 0; i < 10; ++i) sum += std::exp(static_cast<double>(logits[i]));
    std::vector<MaskSums> parts;
    for (std::int64_t first = 0; first < 16; first += 4)
      parts.push_back(mask_sums(logits.data() + (first < 12 ? first : 0), {first, 4, 10}, target));
    CHECK(log_probability(parts) == doctest::Approx(logits[static_cast<std::size_t>(target)] - std::log(sum)).epsilon(1e-6));
  }
}
