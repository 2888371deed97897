// The products of attention by instructions that multiply pairs of bf16 and add them up in f32. Queries and shares are
// rounded to bf16, as the cache has its keys and values, which meet them as they lie there: two rows of an operand side
// by side are pairs after one shuffle.
#define TSRUN_SIMD_LEVEL simd_avx512_bf16
#define TSRUN_SIMD_BYTES 64
#include <algorithm>

#include "attention_kernels.hpp"
#include "bf16_pairs.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/simd_level.hpp"
#include "vectors.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

// Rows of the first factor that go together, and numbers of each that are rounded at a time.
constexpr int most_rows = 8;
constexpr std::int64_t most_depth = 512;
constexpr int vectors_beside(int rows) { return rows <= 4 ? 4 : 2; }

struct Pairs {
  std::uint32_t of_row[most_rows][most_depth / 2];
};

// Behind the last of an odd number, 0.
void round_rows(const float* a, std::int64_t stride, int rows, std::int64_t depth, Pairs& to) {
  for (int r = 0; r < rows; ++r) {
    const float* const row = a + r * stride;
    const auto put = [&](std::int64_t s, __m512 lower, __m512 upper) {
      const __m512bh rounded = _mm512_cvtne2ps_pbh(upper, lower);
      std::memcpy(to.of_row[r] + s / 2, &rounded, sizeof rounded);
    };
    std::int64_t s = 0;
    for (; s + 2 * lanes <= depth; s += 2 * lanes) put(s, _mm512_loadu_ps(row + s), _mm512_loadu_ps(row + s + lanes));
    const auto some = [&](std::int64_t first) {
      const std::int64_t left = std::clamp<std::int64_t>(depth - first, 0, lanes);
      return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << left) - 1), row + first);
    };
    if (s < depth) put(s, some(s), some(s + lanes));
  }
}

constexpr __mmask16 all_columns = 0xffff;

// How two rows of an operand lie: keys in bf16 one behind the other, so that one load takes both, or apart.
enum class Lie { f32, apart, together };

// In the place of a cache that what is met next is fetched into meanwhile.
constexpr int no_cache = -1;

// The columns of a mask of two rows as pairs; the second row is zeros where there is none.
template <Lie lie>
inline __m512bh pairs_of(const std::byte* first, std::int64_t row_bytes, bool has_second, __mmask16 mask) {
  const std::byte* const second = first + row_bytes;
  if constexpr (lie == Lie::f32) {
    const __m512 upper = has_second ? _mm512_maskz_loadu_ps(mask, second) : _mm512_setzero_ps();
    return __m512bh(rounded_pairs(_mm512_maskz_loadu_ps(mask, first), upper));
  } else if (lie == Lie::together && has_second && mask == all_columns) {
    return __m512bh(side_by_side(_mm512_loadu_si512(first)));
  } else {
    const __m256i lower = _mm256_maskz_loadu_epi16(mask, first);
    const __m256i upper = has_second ? _mm256_maskz_loadu_epi16(mask, second) : _mm256_setzero_si256();
    return __m512bh(side_by_side(_mm512_inserti64x4(_mm512_castsi256_si512(lower), upper, 1)));
  }
}

// `vectors` x 16 columns from c on; of the last vector those of `mask`, if there is one.
template <Lie lie, int rows, int vectors, int into, bool is_masked>
inline void product_tile(const Pairs& a, std::int64_t depth, const Operand& b, std::int64_t c, __mmask16 mask,
                         bool onto, float* out, std::int64_t out_stride) {
  const std::byte* columns[vectors];
  __m512 sums[rows][vectors];
  const auto mask_of = [mask](int v) { return is_masked && v + 1 == vectors ? mask : all_columns; };
  const auto place = [&](int r, int v) { return out + r * out_stride + c + v * lanes; };
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) columns[v] = b.column(c + v * lanes);
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
      sums[r][v] = onto ? _mm512_maskz_loadu_ps(mask_of(v), place(r, v)) : _mm512_setzero_ps();
  constexpr std::int64_t line = 64;  // in bf16 what a vector of columns has in two rows
  const std::int64_t row_bytes = b.row_bytes;
  const std::byte* const fetched = b.data + b.ahead + c / lanes * (depth / 2) * line;
  const auto add_pair = [&](std::int64_t s, bool has_second) {
    __m512bh pairs[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
      const std::byte* const from = columns[v] + s * row_bytes;
      if constexpr (into != no_cache)
        __builtin_prefetch(fetched + (s / 2 * vectors + v) * line, 0, into);
      pairs[v] = pairs_of<lie>(from, row_bytes, has_second, mask_of(v));
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const auto both = __m512bh(_mm512_set1_epi32(static_cast<int>(a.of_row[r][s / 2])));
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], both, pairs[v]);
    }
  };
#pragma GCC unroll 2
  for (std::int64_t s = 0; s + 1 < depth; s += 2) add_pair(s, true);
  if (depth % 2 != 0) add_pair(depth - 1, false);
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) _mm512_mask_storeu_ps(place(r, v), mask_of(v), sums[r][v]);
}

template <Lie lie, int rows, int into>
void product_rows(const Pairs& a, std::int64_t depth, const Operand& b, std::int64_t width, bool onto, float* out,
                  std::int64_t out_stride) {
  constexpr int vectors = vectors_beside(rows);
  std::int64_t c = 0;
  for (; c + vectors * lanes <= width; c += vectors * lanes)
    product_tile<lie, rows, vectors, into, false>(a, depth, b, c, all_columns, onto, out, out_stride);
  for (; c < width; c += lanes) {
    const std::int64_t here = std::min<std::int64_t>(lanes, width - c);
    const auto mask = static_cast<__mmask16>((1U << here) - 1);
    product_tile<lie, rows, 1, into, true>(a, depth, b, c, mask, onto, out, out_stride);
  }
}

template <Lie lie>
void products_with(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth, const Operand& b,
                   std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  Pairs pairs;
  const std::int64_t blocks = ceil_div(n, most_rows);  // of nearly the same number of rows
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t first = i * n / blocks;
    const auto rows_here = static_cast<int>((i + 1) * n / blocks - first);
    for (std::int64_t s = 0; s < depth; s += most_depth) {
      const std::int64_t here = std::min(most_depth, depth - s);
      Operand rest = b;
      rest.data += s * b.row_bytes;
      round_rows(a + first * a_stride + s, a_stride, rows_here, here, pairs);
      const auto take = [&]<int rows>() {
        const auto run = i > 0 || b.ahead == 0  ? product_rows<lie, rows, no_cache>
                         : fills_first_cache() ? product_rows<lie, rows, first_cache>
                                               : product_rows<lie, rows, second_cache>;
        run(pairs, here, rest, width, onto || s > 0, out + first * out_stride, out_stride);
      };
      with_constant<most_rows>(rows_here, take);
    }
  }
}

}  // namespace

void attention_products(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth, const Operand& b,
                        std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  constexpr std::int64_t row = 2 * lanes;
  const auto with = b.type == DType::f32 ? products_with<Lie::f32>
                    : b.row_bytes == row ? products_with<Lie::together>
                                         : products_with<Lie::apart>;
  with(a, n, a_stride, depth, b, width, onto, out, out_stride);
}

}  // namespace tsrun::TSRUN_SIMD_LEVEL
