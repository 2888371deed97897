// Products of activations with stored weights.
//
// Both are contiguous along the contracted dimension, so an element of the product is a dot product, always taken in
// the same order: a row's bits do not depend on how many rows are beside it. The instruction set is chosen once, at
// run time; TSRUN_SIMD=portable|avx2|avx512 forces a level.
#pragma once

#include <cstdint>
#include <string_view>

#include "tsrun/core/dtype.hpp"

namespace tsrun {

// Rows of output channels: [rows][columns] of f32 or bf16.
struct Matrix {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  const void* data = nullptr;
};

// The inner kernels of one instruction set, by one thread.
struct SimdKernels {
  std::string_view name;
  // y[i * y_stride + j] = dot(x + i * columns, row first + j of w) for i < n, j < count
  void (*dots)(const float* x, std::int64_t n, const Matrix& w, std::int64_t first, std::int64_t count, float* y,
               std::int64_t y_stride);
  // out[i][c] (+)= sum over s < w.rows, in order, of p[i * p_stride + s] * w[s][c]; added to what is there where `onto`
  void (*weighted_rows)(const float* p, std::int64_t n, std::int64_t p_stride, const Matrix& w, bool onto, float* out,
                        std::int64_t out_stride);
};
const SimdKernels& simd();

}  // namespace tsrun
