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

bool same_bits(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

}  // namespace

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
