// The inner kernels of attention, compiled once per instruction set. They meet keys and values as these lie in the
// cache, or widened to f32; an element of a product is one chain of sums, in the order of what is contracted, whatever
// is beside it.
#pragma once

#include <cstdint>
#include <utility>

#include "tsrun/kernels/attention.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {

// Positions whose exponentials are taken together. Of one token many, since the memory rests meanwhile; of many tokens
// few, since in the last block the first tokens see little.
constexpr std::int64_t attention_block(Rows expected) { return expected == Rows::few ? 512 : 64; }

// A matrix [depth][width] of keys (turned, a column a position) or values, in f32 or bf16: rows of 16 columns that lie
// one after the other, in panels. Behind the last column there may be nothing.
struct Operand {
  DType type;
  const std::byte* data;
  std::int64_t row_bytes, panel_bytes;  // from a row, and from a panel, to the next
  std::int64_t ahead = 0;               // bytes from here to what is fetched meanwhile, as much as this; 0: nothing

  const std::byte* column(std::int64_t c) const {
    return data + c / KvLayer::key_panel * panel_bytes + c % KvLayer::key_panel * (bits(type) / 8);
  }
};

// out[i][c] (+)= sum over s < depth of a[i][s] * b[s][c], i < n, c < width; added to what is there where `onto`.
using AttentionProducts = void (*)(const float* a, std::int64_t n, std::int64_t a_stride, std::int64_t depth,
                                   const Operand& b, std::int64_t width, bool onto, float* out,
                                   std::int64_t out_stride);
// The same with both factors in bf16; null where no instruction multiplies them.
AttentionProducts attention_products_in_bf16(SimdLevel, Rows expected);

// take.operator()<count>(), where 1 <= count <= most.
template <int most, class Take>
void with_constant(std::int64_t count, const Take& take) {
  const auto one_of = [&]<int... i>(std::integer_sequence<int, i...>) {
    ((count == i + 1 ? take.template operator()<i + 1>() : void()), ...);
  };
  one_of(std::make_integer_sequence<int, most>{});
}

struct AttentionKernels {
  // A panel of keys as it lies in the cache, to to[Q][16]; what is beyond its `positions` is 0.
  void (*widen_keys)(DType type, std::int64_t Q, std::int64_t positions, const std::byte* panel, float* to);
  // `count` values, one after the other, to to[count][Q].
  void (*widen_values)(DType type, std::int64_t Q, std::int64_t count, const std::byte* values, float* to);
  AttentionProducts products;
  // Over `count` scores, a multiple of 16: the largest; and 2 ^ (score - largest) in place, with their sum.
  float (*largest)(const float* scores, std::int64_t count);
  float (*exponentials)(float* scores, std::int64_t count, float largest);
};
const AttentionKernels& attention_kernels(SimdLevel);

}  // namespace tsrun
