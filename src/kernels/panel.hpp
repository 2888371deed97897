// Where things lie in a panel of packed weights (tsrun/kernels/packed.hpp).
#pragma once

#include <algorithm>

#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/packed.hpp"

namespace tsrun {

constexpr std::int64_t word_bytes = 4;

constexpr std::int64_t columns_per_word(DType type) { return 32 / bits(type); }

// One panel, as a row of blocks: words of values, then scales. A grouped type has a block for every 32 columns, the
// others one. A field of b bytes takes b * rows, those of the panel's first row first.
struct Panel {
  DType type;
  std::int64_t rows;     // 1 .. 16
  std::int64_t columns;

  std::int64_t block_columns() const { return is_grouped(type) ? group_size : columns; }
  std::int64_t bytes() const { return bytes_of(type, rows, columns); }
  // Bytes of a row in the word that starts at `column` of a block.
  std::int64_t word_width(std::int64_t column) const {
    return std::min(word_bytes, (block_columns() - column) * bits(type) / 8);
  }
  // Where the word of `row` that holds `column` of the matrix starts.
  std::int64_t word(std::int64_t row, std::int64_t column) const {
    const std::int64_t before = column / block_columns() * block_columns(), inside = column - before;
    const std::int64_t first = inside / columns_per_word(type) * columns_per_word(type);
    return bytes_of_values_and_scales(before) + first * bits(type) / 8 * rows + row * word_width(first);
  }
  std::int64_t scale_width() const { return type == DType::int8_channel ? 4 : is_grouped(type) ? 2 : 0; }
  // Where the scale of `row` for `column` lies; a minimum lies 2 * rows behind it.
  std::int64_t scale(std::int64_t row, std::int64_t column) const {
    const std::int64_t before = column / block_columns() * block_columns();
    return bytes_of_values_and_scales(before) + block_columns() * bits(type) / 8 * rows + row * scale_width();
  }

 private:
  // Of `count` columns that are whole blocks.
  std::int64_t bytes_of_values_and_scales(std::int64_t count) const {
    return count == 0 ? 0 : bytes_of(type, rows, count);
  }
};

inline Panel panel_of(const PackedView& w, std::int64_t panel) {
  return {w.type, std::min(panel_rows, w.rows - panel * panel_rows), w.columns};
}
inline const std::byte* panel_data(const PackedView& w, std::int64_t panel) {
  return w.data + panel * bytes_of(w.type, panel_rows, w.columns);
}

// A panel of 16 rows and of whole words, or groups, as the kernels want it.
inline bool is_full(const Panel& p) {
  return p.rows == panel_rows && p.columns % (is_quantized(p.type) ? group_size : columns_per_word(p.type)) == 0;
}
inline Panel full(const Panel& p) {
  return {p.type, panel_rows, round_up(p.columns, is_quantized(p.type) ? group_size : columns_per_word(p.type))};
}
// The same weights in a full panel: what is missing are zeros that meet zeros among the activations.
void widen(const Panel& from, const std::byte* data, std::byte* to);

}  // namespace tsrun
