// The inner kernels of products with packed weights, compiled once per instruction set.
//
// Activations come in the form that the weights are multiplied with, cut into chunks of columns that stay in the first
// cache with the weights they meet. A chunk holds block after block of rows, a block group after group of columns, a
// group row after row:
//   f32    16 columns
//   bf16   32 columns, to nearest even
//   int8   32 columns with the scale that takes the largest to 127; behind the q of all rows come the f32 scales of the
//          rows, -128 times the sums of their q as int32, and the f32 scales of their fine parts
//   int16  32 columns, columns 0 2 1 3 of every four, with the scale that takes the largest to 32767; behind the q of all
//          rows their scales and -128 times the sums
// What is left of a last group is zeros. Whole numbers are int8 where one instruction multiplies bytes and adds up the
// products exactly, and in the portable kernels; where it takes pairs of 16 bits for that, bytes are widened anyway, and
// int16 costs nothing.
//
// In int8, where one number of a group has more than four fifths of the energy, a scale made for it takes the others to
// nothing; a few such groups, in models with channels far above all others, make most of the error of int8. Such a group
// has a fine part: what is left of its numbers, in steps 254 times as small, in memory of its own, cut in the same way: the
// q of each row, then -128 times the sums as int32. A row without has the fine scale 0, and zeros there if another row of
// its block has one; the first row's is -0 then, so that one number tells whether any has. If none has, nothing is
// written, read or multiplied.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tsrun/core/dtype.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/expected_rows.hpp"
#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {

enum class Form : std::uint8_t { f32, bf16, int8, int16 };

// Columns of a group, and its bytes a row.
constexpr std::int64_t form_group(Form f) { return f == Form::f32 ? 16 : 32; }
constexpr std::int64_t form_group_bytes(Form f) {
  return f == Form::int8 ? group_size + 12 : f == Form::int16 ? 2 * group_size + 8 : 64;
}
constexpr std::int64_t form_padded(Form f, std::int64_t columns) { return round_up(columns, form_group(f)); }
constexpr std::int64_t form_bytes(Form f, std::int64_t columns) {
  return columns / form_group(f) * form_group_bytes(f);
}
constexpr std::int64_t fine_bytes(Form f, std::int64_t columns) {
  return f == Form::int8 ? columns / group_size * (group_size + 4) : 0;
}

// How a product is cut.
struct Blocking {
  int tile_rows;               // the most rows that a tile takes
  std::int64_t chunk_columns;  // whole groups
  int pairs_together;          // of panels, that a thread takes; those of several tiles take turns at a chunk
  int tile_panels;             // the most that a tile takes; what its registers do not hold, one after the other
};

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

inline constexpr int pair = 2, most_tile_panels = 8;  // panels

struct PackedKernels {
  // The type as which weights meet the rows: another one where turning them pays, or themselves.
  DType (*multiplied_as)(DType weights, Rows);
  // A chunk of a full panel to that type, in the order of packed weights; channel_scales of int8_channel only.
  void (*turn)(DType weights, const std::byte* w, const std::byte* channel_scales, std::int64_t columns, std::byte* to);
  Form (*form)(DType multiplied);
  Blocking (*blocking)(Form, std::int64_t rows);
  // Columns [0, columns) of one chunk of a block of rows, which lie `stride` floats apart.
  void (*convert)(Form, const float* x, std::int64_t stride, std::int64_t columns, int rows, std::byte* block,
                  std::byte* fine);
  void (*tile)(DType multiplied, int rows, int panels, const Tile&);
  void (*finish)();  // after the last tile of a run of them
};

const PackedKernels& packed_kernels(SimdLevel);

}  // namespace tsrun
