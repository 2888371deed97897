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

template <DType type>
inline Floats widened(const std::byte* from) {
  if constexpr (type == DType::f32) return load<Floats>(from);
  else if constexpr (type == DType::bf16)  // a bf16 is the upper half of a float
    return Floats(__builtin_convertvector(load<Halves>(from), Words) << 16);
  else return __builtin_convertvector(__builtin_convertvector(load<Bytes>(from), Ints), Floats);
}

template <DType type>
void widen_full_panel(std::int64_t Q, const std::byte* panel, float* to) {
  constexpr std::int64_t width = bits(type) / 8;
  constexpr std::int64_t group = type == DType::int8 ? group_size : std::numeric_limits<std::int64_t>::max();
  for (std::int64_t first = 0; first < Q;) {
    const std::int64_t count = Q - first < group ? Q - first : group;
    for (std::int64_t v = 0; v < key_panel; v += lanes) {
      Floats scale{};
      if constexpr (type == DType::int8) scale = half_to_float(panel + count * key_panel + 2 * v);
      for (std::int64_t c = 0; c < count; ++c) {
        Floats key = widened<type>(panel + (c * key_panel + v) * width);
        if constexpr (type == DType::int8) key *= scale;
        std::memcpy(to + (first + c) * attention_block + v, &key, sizeof key);
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
    widen_full_panel<type>(count, full, to + first * attention_block);
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
    const auto scale_of = [&](std::int64_t c) {
      Floats scale{};
      if constexpr (type == DType::int8) {
        std::uint16_t half;
        std::memcpy(&half, values + Q + c / group_size * 2, sizeof half);
        scale += f16_to_f32(half);
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

template <int rows, int vectors>
inline void product_tile(const float* a, std::int64_t a_stride, std::int64_t depth, const float* b,
                         std::int64_t b_stride, bool onto, float* out, std::int64_t out_stride) {
  Floats sums[rows][vectors];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) sums[r][v] = onto ? load<Floats>(out + r * out_stride + v * lanes) : Floats{};
  for (std::int64_t s = 0; s < depth; ++s) {
    Floats bv[vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) bv[v] = load<Floats>(b + s * b_stride + v * lanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Floats av = Floats{} + a[r * a_stride + s];
#pragma GCC unroll 4
      for (int v = 0; v < vectors; ++v) sums[r][v] = multiply_add(av, bv[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) std::memcpy(out + r * out_stride + v * lanes, &sums[r][v], sizeof(Floats));
}

template <int rows>
void product_rows(const float* a, std::int64_t a_stride, std::int64_t depth, const float* b, std::int64_t b_stride,
                  std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  constexpr int vectors = rows == 1 ? 4 : 2;
  std::int64_t c = 0;
  for (; c + vectors * lanes <= width; c += vectors * lanes)
    product_tile<rows, vectors>(a, a_stride, depth, b + c, b_stride, onto, out + c, out_stride);
  for (; c + lanes <= width; c += lanes)
    product_tile<rows, 1>(a, a_stride, depth, b + c, b_stride, onto, out + c, out_stride);
  for (int r = 0; r < rows && c < width; ++r)
    for (std::int64_t last = c; last < width; ++last) {  // one number in a vector, so that it is added up as the others
      Floats sum = onto ? Floats{} + out[r * out_stride + last] : Floats{};
      for (std::int64_t s = 0; s < depth; ++s)
        sum = multiply_add(Floats{} + a[r * a_stride + s], Floats{} + b[s * b_stride + last], sum);
      out[r * out_stride + last] = sum[0];
    }
}

void products(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth, const float* b,
              std::int64_t b_stride, std::int64_t width, bool onto, float* out, std::int64_t out_stride) {
  constexpr int most = vector_bytes == 64 ? 8 : 4;  // sums of two vectors each, with what they meet, in registers
  std::int64_t i = 0;
  const auto take = [&](auto rows) {
    for (; i + rows <= n; i += rows)
      product_rows<rows>(a + i * a_stride, a_stride, depth, b, b_stride, width, onto, out + i * out_stride, out_stride);
  };
  take(std::integral_constant<int, most>{});
  take(std::integral_constant<int, 4>{});
  take(std::integral_constant<int, 1>{});
}

// ---- exponentials ----

float largest(const float* scores) {
  Floats most = load<Floats>(scores);
  for (std::int64_t s = lanes; s < attention_block; s += lanes) {
    const Floats v = load<Floats>(scores + s);
    most = v > most ? v : most;
  }
  float all = most[0];
  for (int i = 1; i < lanes; ++i) all = most[i] > all ? most[i] : all;
  return all;
}

float exponentials(float* scores, float most) {
  Floats sum{};
  for (std::int64_t s = 0; s < attention_block; s += lanes) {
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
