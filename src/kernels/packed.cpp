#include "tsrun/kernels/packed.hpp"

#include <algorithm>
#include <cstring>

#include "panel.hpp"
#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

constexpr std::uint32_t sign_bits = 0x80808080U;

// Eight 4-bit numbers, as stored 0 1 2 3 4 5 6 7 from the low end, to 0 4 1 5 2 6 3 7: the first four in low halves.
constexpr std::uint32_t split_halves(std::uint32_t v) {
  v = (v & 0xff0000ffU) | (v & 0x0000ff00U) << 8 | (v & 0x00ff0000U) >> 8;
  return (v & 0xf00ff00fU) | (v & 0x00f000f0U) << 4 | (v & 0x0f000f00U) >> 4;
}

template <DType type>
constexpr std::uint32_t packed_word(std::uint32_t stored) {
  if constexpr (type == DType::int8 || type == DType::int8_channel) return stored ^ sign_bits;
  if constexpr (type == DType::int4 || type == DType::int4_min) return split_halves(stored);
  return stored;
}

// Whole words, `count` of them a row, that lie side by side in `from` (rows from_stride bytes apart) and side by side
// in a panel of `panel_rows` rows.
template <DType type>
void pack_words(const std::byte* from, std::int64_t from_stride, std::int64_t rows, std::int64_t count, std::byte* to,
                std::int64_t to_rows) {
  for (std::int64_t k = 0; k < count; ++k)
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::uint32_t word = packed_word<type>(load<std::uint32_t>(from + r * from_stride + k * word_bytes));
      std::memcpy(to + (k * to_rows + r) * word_bytes, &word, sizeof word);
    }
}

// Bytes of a word that does not come whole: only ungrouped types have those, and their words are their columns in
// order.
template <DType type>
void pack_bytes(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t b = 0; b < count; ++b) to[b] = from[b] ^ std::byte{bits(type) == 8 ? 0x80 : 0};
}

// Rows of one panel, columns of one block.
template <DType type>
void pack_values(const TensorRows& from, const MatrixPart& part, std::byte* to, const Panel& panel, std::int64_t row,
                 std::int64_t column) {
  constexpr std::int64_t unit = columns_per_word(type);
  const std::int64_t stride = from.value_bytes_per_row();
  const std::byte* const in = from.values.data() + part.row * stride + part.column * bits(type) / 8;
  const auto bytes = [](std::int64_t columns) { return columns * bits(type) / 8; };
  const std::int64_t head = std::min(part.columns, round_up(column, unit) - column);
  const std::int64_t words = (part.columns - head) / unit;
  const std::int64_t tail = head + words * unit;
  for (std::int64_t r = 0; r < part.rows && head > 0; ++r)
    pack_bytes<type>(in + r * stride, bytes(head), to + panel.word(row + r, column) + bytes(column % unit));
  if (words > 0)
    pack_words<type>(in + bytes(head), stride, part.rows, words, to + panel.word(row, column + head), panel.rows);
  for (std::int64_t r = 0; r < part.rows && tail < part.columns; ++r)
    pack_bytes<type>(in + r * stride + bytes(tail), bytes(part.columns - tail),
                     to + panel.word(row + r, column + tail));
}

void pack_scales(const TensorRows& from, const MatrixPart& part, std::byte* to, const Panel& panel, std::int64_t row,
                 std::int64_t column) {
  const auto width = static_cast<std::size_t>(panel.scale_width());
  for (std::int64_t r = 0; r < part.rows; ++r) {
    const std::int64_t group = is_grouped(from.type) ? part.column / group_size : 0;
    const std::int64_t entry = (part.row + r) * from.scales_per_row() + group;
    std::byte* const at = to + panel.scale(row + r, column);
    std::memcpy(at, from.scale.data() + entry, width);
    if (has_minimum(from.type)) std::memcpy(at + 2 * panel.rows, from.minimum.data() + entry, width);
  }
}

template <DType type>
void pack_panel(const TensorRows& from, const MatrixPart& part, std::byte* to, const Panel& panel, std::int64_t row,
                std::int64_t column) {
  const std::int64_t step = is_grouped(type) ? group_size : part.columns;
  for (std::int64_t c = 0; c < part.columns; c += step) {
    const MatrixPart block = {part.row, part.rows, part.column + c, step};
    pack_values<type>(from, block, to, panel, row, column + c);
    if (is_quantized(type)) pack_scales(from, block, to, panel, row, column + c);
  }
}

using PackPanel = void (*)(const TensorRows&, const MatrixPart&, std::byte*, const Panel&, std::int64_t, std::int64_t);
PackPanel pack_panel_of(DType type) {
  switch (type) {
    case DType::f32: return pack_panel<DType::f32>;
    case DType::bf16: return pack_panel<DType::bf16>;
    case DType::int8: return pack_panel<DType::int8>;
    case DType::int8_channel: return pack_panel<DType::int8_channel>;
    case DType::int4: return pack_panel<DType::int4>;
    case DType::int4_min: return pack_panel<DType::int4_min>;
    case DType::f16: break;
  }
  check(false, "f16 has no packed form");
  return nullptr;
}

bool inside(const MatrixPart& b, std::int64_t rows, std::int64_t columns) {
  return b.row >= 0 && b.rows >= 0 && b.row + b.rows <= rows && b.column >= 0 && b.columns >= 0 &&
         b.column + b.columns <= columns;
}

// One value of a word; `column` counts inside the word.
float value(DType type, const std::byte* word, std::int64_t column) {
  switch (type) {
    case DType::f32: return load<float>(word);
    case DType::bf16: return bf16_to_f32(load<std::uint16_t>(word + 2 * column));
    case DType::int8:
    case DType::int8_channel: return static_cast<float>(std::to_integer<int>(word[column]) - 128);
    case DType::int4:
    case DType::int4_min: {
      const auto both = std::to_integer<unsigned>(word[column % 4]);
      const auto q = static_cast<int>(column < 4 ? both & 15U : both >> 4);
      return static_cast<float>(type == DType::int4 ? q - 8 : q);
    }
    case DType::f16: break;
  }
  return 0;
}

}  // namespace

void widen(const Panel& from, const std::byte* data, std::byte* to) {
  const Panel wide = full(from);
  std::fill(to, to + wide.bytes(), std::byte{0});
  const auto copy = [&](std::int64_t at, std::int64_t wide_at, std::int64_t width) {
    std::memcpy(to + wide_at, data + at, static_cast<std::size_t>(width * from.rows));
  };
  const std::int64_t unit = columns_per_word(from.type);
  for (std::int64_t block = 0; block < from.columns; block += from.block_columns()) {
    const std::int64_t words = from.block_columns() / unit, last = words * unit;
    const std::int64_t at = from.word(0, block), wide_at = wide.word(0, block);
    for (std::int64_t k = 0; k < words; ++k)
      copy(at + k * word_bytes * from.rows, wide_at + k * word_bytes * wide.rows, word_bytes);
    for (std::int64_t r = 0; r < from.rows && last < from.block_columns(); ++r)
      std::memcpy(to + wide.word(r, last), data + from.word(r, last), static_cast<std::size_t>(from.word_width(last)));
    if (!is_quantized(from.type)) continue;
    copy(from.scale(0, block), wide.scale(0, block), from.scale_width());
    if (has_minimum(from.type)) copy(from.scale(0, block) + 2 * from.rows, wide.scale(0, block) + 2 * wide.rows, 2);
  }
}

PackedView PackedView::rows_of(std::int64_t first_row, std::int64_t count) const {
  check(first_row % panel_rows == 0 && first_row + count <= rows &&
            (count % panel_rows == 0 || first_row + count == rows),
        "rows of a packed matrix are taken in whole panels");
  return {type, count, columns, data + bytes_of(type, first_row, columns)};
}

void pack_zeros(DType type, std::byte* to, std::int64_t rows, std::int64_t columns) {
  if (type != DType::int8_channel) return;
  const PackedView shape = {type, rows, columns, to};
  for (std::int64_t first = 0; first < rows; first += panel_rows)
    std::fill_n(to + bytes_of(type, first, columns), panel_of(shape, first / panel_rows).rows * columns, std::byte{0x80});
}

void pack(const TensorRows& from, const MatrixPart& part, std::byte* to, std::int64_t to_rows, std::int64_t to_columns,
          std::int64_t row, std::int64_t column) {
  check(inside(part, from.rows, from.columns) && inside({row, part.rows, column, part.columns}, to_rows, to_columns),
        "what is packed lies inside its tensor and its shard");
  check(!is_grouped(from.type) || (part.column % group_size == 0 && part.columns % group_size == 0 &&
                                   column % group_size == 0 && to_columns % group_size == 0),
        "a grouped tensor is packed by whole groups");
  if (part.columns == 0) return;
  const PackPanel pack_rows = pack_panel_of(from.type);
  const PackedView shape = {from.type, to_rows, to_columns, to};
  for (std::int64_t done = 0; done < part.rows;) {
    const std::int64_t index = (row + done) / panel_rows, first = (row + done) % panel_rows;
    const std::int64_t count = std::min(part.rows - done, panel_rows - first);
    pack_rows(from, {part.row + done, count, part.column, part.columns},
              to + bytes_of(from.type, index * panel_rows, to_columns), panel_of(shape, index), first, column);
    done += count;
  }
}

void unpack_row(const PackedView& from, std::int64_t row, float* out) {
  check(row >= 0 && row < from.rows, "an unpacked row is one of the matrix");
  const Panel panel = panel_of(from, row / panel_rows);
  const std::byte* const data = panel_data(from, row / panel_rows);
  const std::int64_t in_panel = row % panel_rows, unit = columns_per_word(from.type);
  for (std::int64_t c = 0; c < from.columns; c += unit) {
    const std::byte* const word = data + panel.word(in_panel, c);
    float scale = 1, minimum = -0.0F;  // adding -0 changes nothing, adding +0 would turn -0
    if (from.type == DType::int8_channel) scale = load<float>(data + panel.scale(in_panel, c));
    if (is_grouped(from.type)) scale = f16_to_f32(load<std::uint16_t>(data + panel.scale(in_panel, c)));
    if (has_minimum(from.type))
      minimum = f16_to_f32(load<std::uint16_t>(data + panel.scale(in_panel, c) + 2 * panel.rows));
    for (std::int64_t i = 0; i < std::min(unit, from.columns - c); ++i)
      out[c + i] = value(from.type, word, i) * scale + minimum;
  }
}

}  // namespace tsrun
