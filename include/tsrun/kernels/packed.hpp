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

// Where weights are packed to: `rows` x `columns`, of which each call fills a part.
struct PackedMatrix {
  DType type = DType::f32;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::byte* data = nullptr;
};

// Rows as a file stores them: the first at `data`, each `stride` bytes behind the one before.
struct StoredRows {
  const std::byte* data = nullptr;
  std::int64_t stride = 0;
};

// Part of a matrix: rows [row, row + rows) and columns [column, column + columns).
struct MatrixPart {
  std::int64_t row = 0, rows = 0;
  std::int64_t column = 0, columns = 0;
};

// Makes what is all 0 bytes a matrix of zeros; only int8_channel, where a row's scale is that of its padding too, needs it.
void pack_zeros(DType type, std::byte* to, std::int64_t rows, std::int64_t columns);

// Pack the values of a part, the scales of its groups (of int8_channel: of its rows), and the minima of its groups, each
// from the stored row of the same. Any part will do (of a grouped type, of whole groups): several may share a panel, and
// be packed by several threads.
void pack_values(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where);
void pack_scales(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where);
void pack_minima(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where);
// All of `part` of `from`, to (row, column) of a matrix of the same type.
void pack(const TensorRows& from, const MatrixPart& part, const PackedMatrix& to, std::int64_t row, std::int64_t column);

// Row `row` as f32, into out[columns].
void unpack_row(const PackedView& from, std::int64_t row, float* out);

}  // namespace tsrun
