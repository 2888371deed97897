// The inner kernels of products with packed weights, compiled once per instruction set.
//
// Activations come in the form that the weights are multiplied with, again in words of 4 bytes, cut into chunks of
// columns that stay in the first cache with the weights they meet. A chunk holds block after block of rows, a block
// word after word, each word with the rows of the block side by side:
//   f32    1 column a word
//   bf16   2 columns, to nearest even
//   int8   4 columns, in groups of 32 with the scale that takes the largest to 127: 8 words of each row, then the f32
//          scales of the rows, minus the sums of their q as int32, and the f32 scales of their fine parts
// What is left of a last word or group is zeros.
//
// Where one number of a group has more than four fifths of the energy, a scale made for it takes the others to nothing;
// a few such groups, in models with channels far above all others, make most of the error of int8. Such a group has a
// fine part: what is left of its numbers, in steps 254 times as small, in memory of its own, cut in the same
// way: 8 words of each row, then minus the sums as int32. A row without has the fine scale 0, and zeros there if
// another row of its block has one; if none has, nothing is written, read or multiplied.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tsrun/core/dtype.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {

enum class Form : std::uint8_t { f32, bf16, int8 };

constexpr std::int64_t form_columns_per_word(Form f) { return f == Form::f32 ? 1 : f == Form::bf16 ? 2 : 4; }
// Even for f32: bf16 weights, which come in pairs, may be multiplied in f32.
constexpr std::int64_t form_padded(Form f, std::int64_t columns) {
  return round_up(columns, f == Form::int8 ? group_size : 2);
}
constexpr std::int64_t form_bytes(Form f, std::int64_t columns) {
  return f == Form::int8 ? columns / group_size * (group_size + 12) : columns / form_columns_per_word(f) * 4;
}
constexpr std::int64_t fine_bytes(Form f, std::int64_t columns) {
  return f == Form::int8 ? columns / group_size * (group_size + 4) : 0;
}
constexpr std::int64_t chunk_columns(Form f) { return 512 * form_columns_per_word(f); }

// rows x (panels * 16) of a product, over one chunk of columns.
struct Tile {
  const std::byte* x;        // the chunk of one block of rows
  const std::byte* fine;     // its fine parts
  const std::byte* w;        // the chunk in the first panel; the panels are full and have whole words, or groups
  std::int64_t panel_bytes;  // from one panel to the next
  std::int64_t scales;       // int8_channel: bytes from w to the panel's scales
  std::int64_t columns;
  // The sums before this chunk (null: zeros) and with it, rows so many floats apart.
  const float* from;
  std::int64_t from_stride;
  float* to;
  std::int64_t to_stride;
};

inline constexpr int most_tile_panels = 2;

struct PackedKernels {
  Form (*form)(DType weights);
  int (*tile_rows)(Form);  // the most that a tile takes
  // Columns [0, columns) of one chunk of a block of rows, which lie `stride` floats apart.
  void (*convert)(Form, const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* block,
                  std::byte* fine);
  void (*tile)(DType weights, int rows, int panels, const Tile&);
};

const PackedKernels& packed_kernels(SimdLevel);

}  // namespace tsrun
