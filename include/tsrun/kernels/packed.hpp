// Weights in the order in which a product reads them, packed once at load.
//
// A packed matrix is a run of panels of 16 output rows (the last may have fewer). In a panel the contracted dimension
// runs fastest, in words of 4 bytes, one from each of its rows, side by side:
//   f32            1 column a word
//   bf16           2 columns
//   int8           4 columns, the sign bit turned (q + 128: the product takes unsigned weights); after the 8 words of a
//                  group of 32 columns its f16 scales, one a row
//   int8_channel   the same 4 columns; after all words one f32 scale a row
//   int4           8 columns, the first four in the low halves of the word's bytes; after the 4 words of a group its
//                  f16 scales
//   int4_min       the same, and its f16 minima
// A last word of fewer columns is as much shorter. So there is no padding, bytes_of(type, rows, columns) is the size,
// and a run of whole panels is itself a packed matrix. f16 has no packed form.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tsrun/core/dtype.hpp"

namespace tsrun {

inline constexpr std::int64_t panel_rows = 16;

// Of [rows][columns]; grouped types have a multiple of 32 columns.
struct PackedView {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  const std::byte* data = nullptr;

  // Whole panels: `first_row` is a multiple of 16, and `count` too unless the rows end with it.
  PackedView rows_of(std::int64_t first_row, std::int64_t count) const;
};

// Part of a matrix: rows [row, row + rows) and columns [column, column + columns).
struct MatrixPart {
  std::int64_t row = 0, rows = 0;
  std::int64_t column = 0, columns = 0;
};

// Makes what is all 0 bytes a matrix of zeros; only int8_channel, where a row's scale is that of its padding too, needs it.
void pack_zeros(DType type, std::byte* to, std::int64_t rows, std::int64_t columns);

// Packs `part` of `from` to (row, column) of the packed matrix at `to`, which has the type of `from` and the shape
// [to_rows][to_columns]. Any row and column will do (of a grouped type, whole groups); several pieces may go to one
// panel, and may be packed by several threads as long as no two write columns of one word of the same row.
void pack(const TensorRows& from, const MatrixPart& part, std::byte* to, std::int64_t to_rows, std::int64_t to_columns,
          std::int64_t row, std::int64_t column);

// Row `row` as f32, into out[columns].
void unpack_row(const PackedView& from, std::int64_t row, float* out);

}  // namespace tsrun
