// The inner kernels, written once with the compiler's vectors and compiled once per instruction set.
//
// A block of rows x columns of the product stays in registers while the contracted dimension streams by; an edge block
// only has fewer of them, its elements are added up in the same order.
#include <cstring>

#include "tsrun/kernels/matmul.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

constexpr std::int64_t lanes = TSRUN_SIMD_BYTES / 4;
using Floats = float __attribute__((vector_size(TSRUN_SIMD_BYTES)));
using Words = std::uint32_t __attribute__((vector_size(TSRUN_SIMD_BYTES)));
using Halves = std::uint16_t __attribute__((vector_size(TSRUN_SIMD_BYTES / 2)));

// Sums of a block of the product, with a row of each factor beside them, fill the registers and no more.
constexpr int block_rows = 4;
constexpr int block_columns = TSRUN_SIMD_BYTES == 64 ? 4 : 3;

inline void load(Floats& v, const float* from) { std::memcpy(&v, from, sizeof v); }
inline void load(Floats& v, const std::uint16_t* from) {  // bf16: the upper half of a float
  Halves h;
  std::memcpy(&h, from, sizeof h);
  const Words w = __builtin_convertvector(h, Words) << 16;
  std::memcpy(&v, &w, sizeof v);
}
// The first `count` numbers and zeros. Tails go through the same vector instructions as the rest, so that an element's
// bits do not hang on the compiler's choice for a scalar loop.
template <class T>
inline void load_some(Floats& v, const T* from, std::int64_t count) {
  T some[lanes] = {};
  std::memcpy(some, from, static_cast<std::size_t>(count) * sizeof(T));
  load(v, some);
}

inline float sum_of(const Floats& v) {
  float part[lanes];
  std::memcpy(part, &v, sizeof part);
  for (std::int64_t half = lanes / 2; half > 0; half /= 2)
    for (std::int64_t i = 0; i < half; ++i) part[i] += part[i + half];
  return part[0];
}

template <int rows, int columns, class T>
inline void dot_block(const float* x, const T* w, std::int64_t k, float* y, std::int64_t y_stride) {
  Floats sums[rows][columns] = {};
  const std::int64_t whole = k / lanes * lanes;
  for (std::int64_t i = 0; i < whole; i += lanes) {
    Floats wv[columns];
#pragma GCC unroll 8
    for (int c = 0; c < columns; ++c) load(wv[c], w + c * k + i);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      Floats xv;
      load(xv, x + r * k + i);
#pragma GCC unroll 8
      for (int c = 0; c < columns; ++c) sums[r][c] += xv * wv[c];
    }
  }
  if (whole < k) {
    Floats wv[columns];
    for (int c = 0; c < columns; ++c) load_some(wv[c], w + c * k + whole, k - whole);
    for (int r = 0; r < rows; ++r) {
      Floats xv;
      load_some(xv, x + r * k + whole, k - whole);
      for (int c = 0; c < columns; ++c) sums[r][c] += xv * wv[c];
    }
  }
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) y[r * y_stride + c] = sum_of(sums[r][c]);
}

template <int rows, class T>
inline void dot_rows(const float* x, const T* w, std::int64_t k, std::int64_t count, float* y, std::int64_t y_stride) {
  std::int64_t c = 0;
  for (; c + block_columns <= count; c += block_columns)
    dot_block<rows, block_columns>(x, w + c * k, k, y + c, y_stride);
  for (; c < count; ++c) dot_block<rows, 1>(x, w + c * k, k, y + c, y_stride);
}

// A few weights stay in the first cache while every row of x passes by.
template <class T>
void dots_of(const float* x, std::int64_t n, const T* w, std::int64_t k, std::int64_t count, float* y,
             std::int64_t y_stride) {
  for (std::int64_t c = 0; c < count; c += block_columns) {
    const std::int64_t columns = count - c < block_columns ? count - c : block_columns;
    std::int64_t r = 0;
    for (; r + block_rows <= n; r += block_rows)
      dot_rows<block_rows>(x + r * k, w + c * k, k, columns, y + r * y_stride + c, y_stride);
    for (; r < n; ++r) dot_rows<1>(x + r * k, w + c * k, k, columns, y + r * y_stride + c, y_stride);
  }
}

void dots(const float* x, std::int64_t n, const Matrix& w, std::int64_t first, std::int64_t count, float* y,
          std::int64_t y_stride) {
  if (w.type == DType::bf16)
    dots_of(x, n, static_cast<const std::uint16_t*>(w.data) + first * w.columns, w.columns, count, y, y_stride);
  else
    dots_of(x, n, static_cast<const float*>(w.data) + first * w.columns, w.columns, count, y, y_stride);
}

template <int rows, class T>
inline void weighted_block(const float* p, std::int64_t p_stride, const T* w, std::int64_t count, std::int64_t columns,
                           bool onto, float* out, std::int64_t out_stride) {
  for (std::int64_t c = 0; c < columns; c += lanes) {
    const std::int64_t here = columns - c < lanes ? columns - c : lanes;
    Floats sums[rows] = {};
    for (int r = 0; r < rows && onto; ++r) std::memcpy(&sums[r], out + r * out_stride + c, static_cast<std::size_t>(here) * sizeof(float));
    for (std::int64_t s = 0; s < count; ++s) {
      Floats wv;
      if (here == lanes) load(wv, w + s * columns + c);
      else load_some(wv, w + s * columns + c, here);
      for (int r = 0; r < rows; ++r) sums[r] += p[r * p_stride + s] * wv;
    }
    for (int r = 0; r < rows; ++r) std::memcpy(out + r * out_stride + c, &sums[r], static_cast<std::size_t>(here) * sizeof(float));
  }
}

template <class T>
void weighted_of(const float* p, std::int64_t n, std::int64_t p_stride, const T* w, const Matrix& m, bool onto, float* out,
                 std::int64_t out_stride) {
  std::int64_t r = 0;
  for (; r + 4 <= n; r += 4)
    weighted_block<4>(p + r * p_stride, p_stride, w, m.rows, m.columns, onto, out + r * out_stride, out_stride);
  for (; r < n; ++r)
    weighted_block<1>(p + r * p_stride, p_stride, w, m.rows, m.columns, onto, out + r * out_stride, out_stride);
}

void weighted_rows(const float* p, std::int64_t n, std::int64_t p_stride, const Matrix& w, bool onto, float* out,
                   std::int64_t out_stride) {
  if (w.type == DType::bf16)
    weighted_of(p, n, p_stride, static_cast<const std::uint16_t*>(w.data), w, onto, out, out_stride);
  else
    weighted_of(p, n, p_stride, static_cast<const float*>(w.data), w, onto, out, out_stride);
}

}  // namespace

extern const SimdKernels kernels;
const SimdKernels kernels = {TSRUN_SIMD_NAME, dots, weighted_rows};

}  // namespace tsrun::TSRUN_SIMD_LEVEL
