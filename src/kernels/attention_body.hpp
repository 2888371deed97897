// The kernels of attention_kernels.hpp, written once with the compiler's vectors and compiled once per instruction set.
#include <limits>
#include <type_traits>

#include "attention_kernels.hpp"
#include "tsrun/core/dtype.hpp"
#include "vectors.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

constexpr std::int64_t key_panel = KvLayer::key_panel;

// ---- to f32 ----

// Numbers of the cache, a vector of them; GCC 12 takes several steps where the processor has an instruction.
inline Words words_of_halves(const std::byte* from) {
#if defined __AVX512F__
  return Words(_mm512_cvtepu16_epi32(load<__m256i>(from)));
#elif defined __AVX2__
  return Words(_mm256_cvtepu16_epi32(load<__m128i>(from)));
#else
  return __builtin_convertvector(load<Halves>(from), Words);
#endif
}
inline Ints ints_of_bytes(const std::byte* from) {
#if defined __AVX512F__
  return Ints(_mm512_cvtepi8_epi32(load<__m128i>(from)));
#elif defined __AVX2__
  return Ints(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  return __builtin_convertvector(load<Bytes>(from), Ints);
#endif
}

template <DType type>
inline Floats widened(const std::byte* from) {
  if constexpr (type == DType::f32) return load<Floats>(from);
  else if constexpr (type == DType::bf16) return Floats(words_of_halves(from) << 16);  // the upper half of a float
  else return __builtin_convertvector(ints_of_bytes(from), Floats);
}

// What is widened next lies behind this, and is fetched meanwhile.
inline void fetch_behind(const std::byte* from, std::int64_t bytes) {
  constexpr std::int64_t line = 64, ahead = 4 << 10;
  for (std::int64_t i = 0; i < bytes; i += line) __builtin_prefetch(from + ahead + i, 0, first_cache);
}

template <DType type>
void widen_full_panel(std::int64_t Q, const std::byte* panel, float* to) {
  constexpr std::int64_t width = bits(type) / 8;
  constexpr std::int64_t group = type == DType::int8 ? group_size : std::numeric_limits<std::int64_t>::max();
  for (std::int64_t first = 0; first < Q;) {
    const std::int64_t count = Q - first < group ? Q - first : group;
    fetch_behind(panel, count * key_panel * width);
    for (std::int64_t v = 0; v < key_panel; v += lanes) {
      Floats scale{};
      if constexpr (type == DType::int8) scale = half_to_float(panel + count * key_panel + 2 * v);
      for (std::int64_t c = 0; c < count; ++c) {
        Floats key = widened<type>(panel + (c * key_panel + v) * width);
        if constexpr (type == DType::int8) key *= scale;
        std::memcpy(to + (first + c) * key_panel + v, &key, sizeof key);
      }
    }
    panel += count * key_panel * width + (type == DType::int8 ? 2 * key_panel : 0);
    first += count;
  }
}

template <DType type>
void widen_key_panel(std::int64_t Q, std::int64_t positions, const std::byte* panel, float* to) {
  if (positions == key_panel) return widen_full_panel<type>(Q, panel, to);
  // As a full one: a run of `positions` fields becomes one of 16.
  constexpr std::int64_t width = bits(type) / 8;
  alignas(64) std::byte full[key_panel * (group_size * 4 + 2)];
  for (std::int64_t first = 0; first < Q; first += group_size) {
    const std::int64_t count = Q - first < group_size ? Q - first : group_size;
    const std::int64_t scales = type == DType::int8 ? 1 : 0;
    std::memset(full, 0, sizeof full);
    for (std::int64_t c = 0; c < count; ++c)
      std::memcpy(full + c * key_panel * width, panel + c * positions * width,
                  static_cast<std::size_t>(positions * width));
    if (scales > 0)
      std::memcpy(full + count * key_panel * width, panel + count * positions * width,
                  static_cast<std::size_t>(2 * positions));
    widen_full_panel<type>(count, full, to + first * key_panel);
    panel += positions * (count * width + 2 * scales);
  }
}

void widen_keys(DType type, std::int64_t Q, std::int64_t positions, const std::byte* panel, float* to) {
  if (type == DType::f32) widen_key_panel<DType::f32>(Q, positions, panel, to);
  else if (type == DType::bf16) widen_key_panel<DType::bf16>(Q, positions, panel, to);
  else widen_key_panel<DType::int8>(Q, positions, panel, to);
}

template <DType type>
void widen_rows(std::int64_t Q, std::int64_t count, const std::byte* values, float* to) {
  constexpr std::int64_t width = bits(type) / 8;
  const std::int64_t whole = Q / lanes * lanes, rest = Q - whole;
  for (std::int64_t s = 0; s < count; ++s, values += cached_bytes(type, Q), to += Q) {
    fetch_behind(values, cached_bytes(type, Q));
    const auto scale_of = [&](std::int64_t c) {
      Floats scale{};
      if constexpr (type == DType::int8) {
        scale = all_lanes(one_half_to_float(values + Q + c / group_size * 2));
      }
      return scale;
    };
    for (std::int64_t c = 0; c < whole; c += lanes) {
      Floats v = widened<type>(values + c * width);
      if constexpr (type == DType::int8) v *= scale_of(c);
      std::memcpy(to + c, &v, sizeof v);
    }
    if (rest == 0) continue;
    std::byte some[vector_bytes] = {};
    std::memcpy(some, values + whole * width, static_cast<std::size_t>(rest * width));
    Floats v = widened<type>(some);
    if constexpr (type == DType::int8) v *= scale_of(whole);
    std::memcpy(to + whole, &v, static_cast<std::size_t>(rest) * sizeof(float));
  }
}

void widen_values(DType type, std::int64_t Q, std::int64_t count, const std::byte* values, float* to) {
  if (type == DType::f32) widen_rows<DType::f32>(Q, count, values, to);
  else if (type == DType::bf16) widen_rows<DType::bf16>(Q, count, values, to);
  else widen_rows<DType::int8>(Q, count, values, to);
}

// ---- products ----

// Rows that go together, and vectors of columns that meet so many: as many sums as hide how long one takes, and as the
// registers hold beside what is multiplied.
constexpr int most_rows = vector_bytes == 64 ? 8 : 6;
constexpr int vectors_beside(int rows) {
  if (vector_bytes == 64) return rows <= 4 ? 4 : 2;
  return rows <= 3 ? 4 : rows == 4 ? 3 : 2;
}

template <DType type, int rows, int vectors, bool fetches>
inline void product_tile(const float* a, std::int64_t a_stride, std::int64_t depth, const Operand& b, std::int64_t c,
                         bool onto, float* out, std::int64_t out_stride) {
  const std::byte* columns[vectors];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; ++v) columns[v] = b.column(c + v * lanes);
  Floats sums[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v] = onto ? load<Floats>(out + r * out_stride + c + v * lanes) : Floats{};
  const std::int64_t row_bytes = b.row_bytes, ahead = b.ahead;
#pragma GCC unroll 2
  for (std::int64_t s = 0; s < depth; ++s) {
    Floats few[rows < vectors ? rows : vectors];  // the fewer of the two stay in registers while the others pass by
    const auto row = [&](int r) { return all_lanes(a[r * a_stride + s]); };
    const auto column = [&](int v) {
      const std::byte* const from = columns[v] + s * row_bytes;
      if (fetches && v * lanes * (bits(type) / 8) % 32 == 0) __builtin_prefetch(from + ahead, 0, first_cache);
      return widened<type>(from);
    };
    if constexpr (rows < vectors) {
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) few[r] = row(r);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) {
        const Floats b_v = column(v);
#pragma GCC unroll 8
        for (int r = 0; r < rows; ++r) sums[r][v] = multiply_add(few[r], b_v, sums[r][v]);
      }
    } else {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) few[v] = column(v);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) {
        const Floats a_r = row(r);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) sums[r][v] = multiply_add(a_r, few[v], sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) std::memcpy(out + r * out_stride + c + v * lanes, &sums[r][v], sizeof(Floats));
}

template <DType type, int rows, bool fetches>
void product_rows(const float* a, std::int64_t a_stride, std::int64_t depth, const Operand& b, std::int64_t width,
                  bool onto, float* out, std::int64_t out_stride) {
  constexpr int vectors = vectors_beside(rows);
  std::int64_t c = 0;
  const auto take = [&]<int count>() {
    for (; c + count * lanes <= width; c += count * lanes)
      product_tile<type, rows, count, fetches>(a, a_stride, depth, b, c, onto, out, out_stride);
  };
  take.template operator()<vectors>();
  take.template operator()<2>();
  take.template operator()<1>();
  if (c == width) return;
  for (int r = 0; r < rows; ++r) {  // the last columns, alone in vectors, so that they are added up as the others
    float* const to = out + r * out_stride + c;
    Floats sum = onto ? load_some(to, width - c) : Floats{};
    for (std::int64_t s = 0; s < depth; ++s) {
      std::byte some[vector_bytes] = {};
      std::memcpy(some, b.column(c) + s * b.row_bytes, static_cast<std::size_t>((width - c) * (bits(type) / 8)));
      sum = multiply_add(all_lanes(a[r * a_stride + s]), widened<type>(some), sum);
    }
    std::memcpy(to, &sum, static_cast<std::size_t>(width - c) * sizeof(float));
  }
}

template <DType type>
void products_with(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth, const Operand& b,
                   std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  const std::int64_t blocks = (n + most_rows - 1) / most_rows;  // of nearly the same number of rows
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::int64_t first = i * n / blocks;
    const auto take = [&]<int rows>() {
      const auto run = i == 0 && b.ahead > 0 ? product_rows<type, rows, true> : product_rows<type, rows, false>;
      run(a + first * a_stride, a_stride, depth, b, width, onto, out + first * out_stride, out_stride);
    };
    with_constant<most_rows>((i + 1) * n / blocks - first, take);
  }
}

void products(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth, const Operand& b,
              std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  const auto with = b.type == DType::f32 ? products_with<DType::f32> : products_with<DType::bf16>;
  with(a, n, a_stride, depth, b, width, onto, out, out_stride);
}

// ---- exponentials ----

float largest(const float* scores, std::int64_t count) {
  constexpr auto larger = [](const Floats& a, const Floats& b) { return a > b ? a : b; };
  Floats most = load<Floats>(scores);
  for (std::int64_t s = lanes; s < count; s += lanes) most = larger(load<Floats>(scores + s), most);
  return across(most, larger);
}

float exponentials(float* scores, std::int64_t count, float most) {
  Floats sum{};
  for (std::int64_t s = 0; s < count; s += lanes) {
    const Floats v = exp2_of(load<Floats>(scores + s) - most);
    std::memcpy(scores + s, &v, sizeof v);
    sum += v;
  }
  return sum_of(sum);
}

}  // namespace

extern const AttentionKernels attention;
const AttentionKernels attention = {widen_keys, widen_values, products, largest, exponentials};

}  // namespace tsrun::TSRUN_SIMD_LEVEL
