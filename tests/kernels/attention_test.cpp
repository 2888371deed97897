// Attention and the cache against plain loops in double.
#include <doctest/doctest.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <random>
#include <vector>

#include "attention_kernels.hpp"
#include "random_floats.hpp"
#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/simd_level.hpp"

using namespace tsrun;
using tsrun::test::random_floats;

namespace {

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

constexpr DType types[] = {DType::f32, DType::bf16, DType::int8};

// Rows of Q numbers as a cache of this type keeps them.
std::vector<float> kept(std::vector<float> v, std::int64_t Q, DType type) {
  if (type == DType::bf16)
    for (float& x : v) x = bf16_to_f32(f32_to_bf16(x));
  for (std::int64_t row = 0; row < std::ssize(v) && type == DType::int8; row += Q)
    for (std::int64_t first = 0; first < Q; first += 32) {
      const auto begin = v.begin() + row + first, end = begin + std::min<std::int64_t>(32, Q - first);
      float most = 0;
      std::for_each(begin, end, [&most](float x) { most = std::max(most, std::abs(x)); });
      const float scale = f16_to_f32(f32_to_f16(most / 127));
      std::for_each(begin, end, [scale](float& x) { x = std::nearbyint(x / scale) * scale; });
    }
  return v;
}

// Where an instruction multiplies bf16, queries and shares are rounded to it, unless the cache is in f32.
bool rounds(DType type) { return simd_level() >= SimdLevel::avx512_bf16 && type != DType::f32; }

// A query as it meets the keys.
std::vector<double> met(const float* query, std::int64_t Q, float scale, DType type) {
  const float taken_scale = scale * std::numbers::log2e_v<float>;
  std::vector<double> v(query, query + Q);
  for (std::int64_t c = 0; c < Q && rounds(type); ++c)
    v[size(c)] = bf16_to_f32(f32_to_bf16(query[c] * taken_scale)) / taken_scale;
  return v;
}

// Of outputs: shares, and int8's numbers, are rounded to 8 bits.
double bound(DType type) { return !rounds(type) ? 1e-5 : type == DType::int8 ? 0.02 : 0.01; }

// Keys and values of `slots` heads, [slot][position][Q].
struct Heads {
  std::int64_t positions, Q;
  std::vector<float> keys, values;
  Heads(std::int64_t slots, std::int64_t n, std::int64_t width)
      : positions(n),
        Q(width),
        keys(random_floats(slots * n * width, 5)),
        values(random_floats(slots * n * width, 6)) {}
  void store(KvLayer& cache, std::int64_t sequence, std::int64_t slots, std::int64_t first, std::int64_t end) const {
    for (std::int64_t j = 0; j < slots; ++j)
      for (std::int64_t s = first; s < end; ++s)
        cache.store(sequence, j, s, keys.data() + (j * positions + s) * Q, values.data() + (j * positions + s) * Q);
  }
};

}  // namespace

// Whether out[i][c] = start + the sum over s of a[i][s] b[s][c], for b as keys lie in the cache, or as values do.
bool multiplies(AttentionProducts products, bool rounds_factors, DType type, bool as_keys, std::int64_t n,
                std::int64_t depth, std::int64_t width, bool onto) {
  const auto factor = [](bool rounded, float v) { return rounded ? bf16_to_f32(f32_to_bf16(v)) : v; };
  const std::vector<float> a = random_floats(n * depth, 11), b = random_floats(depth * width, 12);
  const std::int64_t bytes = bits(type) / 8, panels = (width + 15) / 16;
  const Operand operand{type, nullptr, bytes * (as_keys ? 16 : width), bytes * 16 * (as_keys ? depth : 1)};
  std::vector<std::byte> stored(size(as_keys ? panels * operand.panel_bytes : depth * operand.row_bytes));
  Operand there = operand;
  there.data = stored.data();
  for (std::int64_t s = 0; s < depth; ++s)
    for (std::int64_t c = 0; c < width; ++c) {
      const float v = b[size(s * width + c)];
      const std::uint16_t half = f32_to_bf16(v);
      std::byte* const to = stored.data() + (there.column(c) - stored.data()) + s * operand.row_bytes;
      type == DType::f32 ? std::memcpy(to, &v, 4) : std::memcpy(to, &half, 2);
    }
  const std::int64_t stride = width + 3;
  std::vector<float> out(size(n * stride), 2);
  products(a.data(), n, depth, depth, there, width, onto, out.data(), stride);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < stride; ++c) {
      double wanted = c >= width || onto ? 2 : 0, magnitude = 2;
      for (std::int64_t s = 0; s < depth && c < width; ++s) {
        const double product = static_cast<double>(factor(rounds_factors, a[size(i * depth + s)])) *
                               factor(rounds_factors || type == DType::bf16, b[size(s * width + c)]);
        wanted += product;
        magnitude += std::abs(product);
      }
      if (!(std::abs(out[size(i * stride + c)] - wanted) <= (c < width ? 1e-6 * magnitude : 0))) return false;
    }
  return true;
}

TEST_CASE("inner products of attention are those of their factors, rounded to bf16 or not, and write nothing beside") {
  for (const SimdLevel level : simd_levels) {
    if (!processor_has(level)) continue;
    for (const DType type : {DType::f32, DType::bf16})
      for (const bool as_keys : {true, false})
        for (const std::int64_t n : {1, 3, 5, 8, 9, 33})
          for (const std::int64_t depth : {1, 2, 31, 64, 65, 515})
            for (const std::int64_t width : {1, 16, 17, 32, 80, 93}) {
              if (as_keys && width % 16 != 0) continue;  // panels are whole
              CAPTURE(name(level));
              CAPTURE(name(type));
              CAPTURE(as_keys);
              CAPTURE(n);
              CAPTURE(depth);
              CAPTURE(width);
              const bool onto = n % 2 == 1;
              CHECK(multiplies(attention_kernels(level).products, false, type, as_keys, n, depth, width, onto));
              for (const Rows expected : {Rows::few, Rows::many})
                if (const AttentionProducts in_bf16 = attention_products_in_bf16(level, expected))
                  CHECK(multiplies(in_bf16, true, type, as_keys, n, depth, width, onto));
            }
  }
}

TEST_CASE("attention over the cache is causal softmax attention, over all positions or a window") {
  const std::int64_t heads = 5, L = 75, context = 60, positions = context + L + 3;
  const float scale = 0.3F;
  const int slot_of[] = {0, 1, 1, 1, 1};
  for (const std::int64_t Q : {6, 24, 80})
    for (const DType type : types) {
      const Heads stored(2, positions, Q);
      KvLayer cache(type, 2, 2, positions, Q);
      stored.store(cache, 1, 2, 0, context + L);
      const std::vector<float> keys = kept(stored.keys, Q, type), values = kept(stored.values, Q, type);
      const auto q = random_floats(2 * L * heads * Q, 7);
      for (const std::int64_t window : {0, 1, 7, 90})
        for (const Rows expected : {Rows::few, Rows::many}) {
          std::vector<float> out(q.size(), 99);
          const AttentionRow rows[] = {{0, 0, 0}, {1, L - 2, context}};  // an empty row, and one with two padded tokens
          attention({L, heads, Q, scale, window, expected}, rows, slot_of, q.data(), cache, out.data());
          for (std::int64_t i = 0; i < L * heads * Q; ++i) CHECK(out[size(i)] == 0);
          double worst = 0;
          for (std::int64_t l = 0; l < L; ++l)
            for (std::int64_t h = 0; h < heads; ++h) {
              const std::int64_t at = ((L + l) * heads + h) * Q, reach = context + l + 1,
                                 head = slot_of[h] * positions * Q;
              std::vector<double> wanted(size(Q));
              const std::vector<double> query = met(q.data() + at, Q, scale, type);
              double sum = 0;
              for (std::int64_t s = window > 0 ? std::max<std::int64_t>(0, reach - window) : 0; s < reach; ++s) {
                double dot = 0;
                for (std::int64_t c = 0; c < Q; ++c) dot += query[size(c)] * keys[size(head + s * Q + c)];
                const double weight = std::exp(dot * static_cast<double>(scale));
                sum += weight;
                for (std::int64_t c = 0; c < Q; ++c) wanted[size(c)] += weight * values[size(head + s * Q + c)];
              }
              for (std::int64_t c = 0; c < Q; ++c)
                worst = std::max(worst, std::abs(out[size(at + c)] - (l < L - 2 ? wanted[size(c)] / sum : 0)));
            }
          CAPTURE(name(type));
          CAPTURE(Q);
          CAPTURE(window);
          CHECK(worst < bound(type));
        }
    }
}

TEST_CASE("a token's attention has the same bits in any chunk, and whoever keeps the first positions") {
  for (const DType type : types)
    for (const auto& [Q, expected] : {std::pair<std::int64_t, Rows>{6, Rows::few}, {6, Rows::many}, {16, Rows::few},
                                      {64, Rows::few}, {64, Rows::many}, {80, Rows::many}}) {
      const std::int64_t heads = 3, L = 150;
      const int slot_of[] = {0, 0, 1};
      const Heads stored(2, L, Q);
      KvLayer cache(type, 1, 2, L, Q);
      stored.store(cache, 0, 2, 0, L);
      const auto q = random_floats(L * heads * Q, 9);
      std::vector<float> whole(q.size()), part(q.size());
      const AttentionRow all{0, L, 0};
      attention({L, heads, Q, 0.2F, 0, expected}, {&all, 1}, slot_of, q.data(), cache, whole.data());
      CAPTURE(name(type));
      CAPTURE(Q);
      for (const std::int64_t chunk : {1, 2, 5, 16, 64}) {
        for (std::int64_t first = 0; first < L; first += chunk) {
          const AttentionRow row{0, std::min(chunk, L - first), first};
          attention({row.new_tokens, heads, Q, 0.2F, 0, expected}, {&row, 1}, slot_of, q.data() + first * heads * Q, cache,
                    part.data() + first * heads * Q);
        }
        CHECK(part == whole);
      }
      for (const std::int64_t shared : {1, 16, 37, 64, 79, 128}) {
        const auto prefix = std::make_shared<KvLayer>(type, 1, 2, shared, Q);
        stored.store(*prefix, 0, 2, 0, shared);
        KvLayer own(type, 2, 2, L - shared, Q);
        own.share(prefix);
        stored.store(own, 1, 2, shared, L);
        const AttentionRow row{1, L - shared, shared};
        attention({row.new_tokens, heads, Q, 0.2F, 0, expected}, {&row, 1}, slot_of, q.data() + shared * heads * Q, own,
                  part.data());
        CAPTURE(shared);
        CHECK(std::memcmp(part.data(), whole.data() + shared * heads * Q, size((L - shared) * heads * Q) * 4) == 0);
      }
    }
}

TEST_CASE("a long context is shared out among threads in parts, and has the same bits with any number of them") {
  const std::int64_t heads = 3, Q = 16, positions = 2100;
  const int slot_of[] = {0, 0, 1};
  const Heads stored(2, positions, Q);
  for (const DType type : types) {
    KvLayer cache(type, 2, 2, positions, Q);
    stored.store(cache, 0, 2, 0, 40);
    stored.store(cache, 1, 2, 0, positions);
    const std::vector<float> keys = kept(stored.keys, Q, type), values = kept(stored.values, Q, type);
    const auto q = random_floats(2 * heads * Q, 8);
    for (const std::int64_t context : {510, 511, 512, 1023, 1024, 1500, 2099})
      for (const std::int64_t window : {0, 1, 512, 700}) {
        const AttentionRow rows[] = {{0, 1, 39}, {1, 1, context}};  // a short context beside a long one
        const AttentionShape shape{1, heads, Q, 0.3F, window, Rows::few};
        std::vector<float> out(q.size()), again(q.size());
        omp_set_num_threads(1);
        attention(shape, rows, slot_of, q.data(), cache, out.data());
        omp_set_num_threads(3);
        attention(shape, rows, slot_of, q.data(), cache, again.data());
        CHECK(out == again);
        attention(shape, std::span(rows).last(1), slot_of, q.data() + heads * Q, cache, again.data());
        CHECK(std::memcmp(again.data(), out.data() + heads * Q, size(heads * Q) * 4) == 0);
        double worst = 0;
        for (std::int64_t h = 0; h < heads; ++h) {
          const std::int64_t at = (heads + h) * Q, head = slot_of[h] * positions * Q;
          std::vector<double> wanted(size(Q));
          const std::vector<double> query = met(q.data() + at, Q, 0.3F, type);
          double sum = 0;
          for (std::int64_t s = window > 0 ? std::max<std::int64_t>(0, context + 1 - window) : 0; s <= context; ++s) {
            double dot = 0;
            for (std::int64_t c = 0; c < Q; ++c) dot += query[size(c)] * keys[size(head + s * Q + c)];
            const double weight = std::exp(dot * 0.3F);
            sum += weight;
            for (std::int64_t c = 0; c < Q; ++c) wanted[size(c)] += weight * values[size(head + s * Q + c)];
          }
          for (std::int64_t c = 0; c < Q; ++c) worst = std::max(worst, std::abs(out[size(at + c)] - wanted[size(c)] / sum));
        }
        CAPTURE(name(type));
        CAPTURE(context);
        CAPTURE(window);
        CHECK(worst < bound(type));
      }
  }
}

TEST_CASE("what a cache gives to another of more or fewer positions is what it held, and as many bytes as it said") {
  for (const DType type : types)
    for (const std::int64_t Q : {6, 80}) {
      const std::int64_t filled = 37, heads = 1;
      const Heads stored(2, filled, Q);
      KvLayer from(type, 2, 2, 70, Q), to(type, 3, 2, 40, Q);
      stored.store(from, 1, 2, 0, filled);
      std::vector<std::byte> bytes(size(from.bytes_of(filled)));
      from.copy_out(1, 1, filled, bytes.data());
      to.copy_in(2, 0, filled, bytes.data());
      const auto q = random_floats(Q, 3);
      std::vector<float> before(size(Q)), after(size(Q));
      const AttentionRow there{1, 1, filled - 1}, here{2, 1, filled - 1};
      const int second[] = {1}, first[] = {0};
      attention({1, heads, Q, 0.2F}, {&there, 1}, second, q.data(), from, before.data());
      attention({1, heads, Q, 0.2F}, {&here, 1}, first, q.data(), to, after.data());
      CAPTURE(name(type));
      CHECK(before == after);
      CHECK(before[0] != 0);
    }
}
