// The inner kernels of attention, compiled once per instruction set. Keys and values are widened to f32 block by block;
// an element of a product is one chain of sums, in the order of what is contracted, whatever is beside it.
#pragma once

#include <cstdint>

#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {

inline constexpr std::int64_t attention_block = 64;  // positions whose exponentials are taken together

// out[i][c] (+)= sum over s < depth of a[i][s] * b[s][c], i < n, c < width; added to what is there where `onto`.
using AttentionProducts = void (*)(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth,
                                   const float* b, std::int64_t b_stride, std::int64_t width, bool onto, float* out,
                                   std::int64_t out_stride);
// The same with both factors in bf16, by the matrix unit; null where there is none.
AttentionProducts attention_products_in_bf16(SimdLevel);

struct AttentionKernels {
  // A panel of keys as it lies in the cache, to 16 columns of to[Q][attention_block]; what is beyond its `positions` is
  // 0.
  void (*widen_keys)(DType type, std::int64_t Q, std::int64_t positions, const std::byte* panel, float* to);
  // `count` values, one after the other, to to[count][Q].
  void (*widen_values)(DType type, std::int64_t Q, std::int64_t count, const std::byte* values, float* to);
  AttentionProducts products;
  // Over one block of scores: the largest; and 2 ^ (score - largest) in place, with their sum.
  float (*largest)(const float* scores);
  float (*exponentials)(float* scores, float largest);
};
const AttentionKernels& attention_kernels(SimdLevel);

}  // namespace tsrun
