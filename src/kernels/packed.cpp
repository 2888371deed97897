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

using Words = std::uint32_t __attribute__((vector_size(16)));

// Eight 4-bit numbers, as stored 0 1 2 3 4 5 6 7 from the low end, to 0 4 1 5 2 6 3 7: the first four in low halves.
template <class Word>
constexpr Word split_halves(Word v) {
  v = (v & 0xff0000ffU) | (v & 0x0000ff00U) << 8 | (v & 0x00ff0000U) >> 8;
  return (v & 0xf00ff00fU) | (v & 0x00f000f0U) << 4 | (v & 0x0f000f00U) >> 4;
}

template <DType type, class Word>
constexpr Word packed_word(Word stored) {
  if constexpr (type == DType::int8 || type == DType::int8_channel) return stored ^ 0x80808080U;
  else if constexpr (type == DType::int4 || type == DType::int4_min) return split_halves(stored);
  else return stored;
}

template <DType type, class Word>
void pack_word(const std::byte* from, std::byte* to) {
  const Word word = packed_word<type>(load<Word>(from));
  std::memcpy(to, &word, sizeof word);
}

// Four words of each of four rows to four rows of each of four words.
template <DType type>
void pack_square(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride) {
  const auto a = load<Words>(from), b = load<Words>(from + from_stride);
  const auto c = load<Words>(from + 2 * from_stride), d = load<Words>(from + 3 * from_stride);
  const Words ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Words cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Words columns[] = {
      __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5), __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
      __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (std::int64_t k = 0; k < 4; ++k) {
    const Words words = packed_word<type>(columns[k]);
    std::memcpy(to + k * to_stride, &words, sizeof words);
  }
}

// Whole words, `count` of them a row, that lie side by side in `from` (rows from_stride bytes apart) and side by side
// in a panel of `to_rows` rows. In squares of four, since a row is read along and a panel is written across.
template <DType type>
void pack_words(const std::byte* from, std::int64_t from_stride, std::int64_t rows, std::int64_t count, std::byte* to,
                std::int64_t to_rows) {
  const std::int64_t to_stride = to_rows * word_bytes, square_rows = rows / 4 * 4, square_words = count / 4 * 4;
  const auto in = [&](std::int64_t r, std::int64_t k) { return from + r * from_stride + k * word_bytes; };
  const auto out = [&](std::int64_t r, std::int64_t k) { return to + k * to_stride + r * word_bytes; };
  for (std::int64_t k = 0; k < square_words; k += 4) {
    for (std::int64_t r = 0; r < square_rows; r += 4) pack_square<type>(in(r, k), from_stride, out(r, k), to_stride);
    for (std::int64_t r = square_rows; r < rows; ++r)
      for (std::int64_t w = k; w < k + 4; ++w) pack_word<type, std::uint32_t>(in(r, w), out(r, w));
  }
  for (std::int64_t k = square_words; k < count; ++k)
    for (std::int64_t r = 0; r < rows; ++r) pack_word<type, std::uint32_t>(in(r, k), out(r, k));
}

// Bytes of a word that does not come whole: only ungrouped types have those, and their words are their columns in
// order.
template <DType type>
void pack_bytes(const std::byte* from, std::int64_t count, std::byte* to) {
  for (std::int64_t b = 0; b < count; ++b) to[b] = from[b] ^ std::byte{bits(type) == 8 ? 0x80 : 0};
}

// Rows of one panel: those of `where`, counted in the panel.
template <DType type>
void pack_panel(const StoredRows& from, std::byte* to, const Panel& panel, const MatrixPart& where) {
  constexpr std::int64_t unit = columns_per_word(type);
  const auto bytes = [](std::int64_t columns) { return columns * bits(type) / 8; };
  const std::int64_t end = where.column + where.columns;
  if constexpr (is_grouped(type)) {
    for (std::int64_t c = where.column; c < end; c += group_size)
      pack_words<type>(from.data + bytes(c - where.column), from.stride, where.rows, group_size / unit,
                       to + panel.word(where.row, c), panel.rows);
  } else {
    const std::int64_t head = std::min(end, round_up(where.column, unit));
    const std::int64_t words = std::max<std::int64_t>(0, end - head) / unit;
    const std::int64_t tail = head + words * unit;
    const auto pack_part = [&](std::int64_t first, std::int64_t last) {  // of one word
      for (std::int64_t r = 0; r < where.rows && first < last; ++r)
        pack_bytes<type>(from.data + r * from.stride + bytes(first - where.column), bytes(last - first),
                         to + panel.word(where.row + r, first) + bytes(first % unit));
    };
    pack_part(where.column, head);
    if (words > 0)
      pack_words<type>(from.data + bytes(head - where.column), from.stride, where.rows, words,
                       to + panel.word(where.row, head), panel.rows);
    pack_part(tail, end);
  }
}

using PackPanel = void (*)(const StoredRows&, std::byte*, const Panel&, const MatrixPart&);
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

namespace {

// Calls take(rows of the file, the panel's data, panel, the part counted in the panel) for each panel that has rows of it.
template <class Take>
void for_each_panel(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where, const Take& take) {
  check(inside(where, to.rows, to.columns), "what is packed lies inside its shard");
  check(!is_grouped(to.type) || (where.column % group_size == 0 && where.columns % group_size == 0 &&
                                 to.columns % group_size == 0),
        "a grouped tensor is packed by whole groups");
  if (where.columns == 0) return;
  const PackedView shape = {to.type, to.rows, to.columns, to.data};
  for (std::int64_t done = 0, count = 0; done < where.rows; done += count) {
    const std::int64_t index = (where.row + done) / panel_rows, first = (where.row + done) % panel_rows;
    count = std::min(where.rows - done, panel_rows - first);
    take(StoredRows{from.data + done * from.stride, from.stride},
         to.data + bytes_of(to.type, index * panel_rows, to.columns), panel_of(shape, index),
         MatrixPart{first, count, where.column, where.columns});
  }
}

using Halves = std::uint16_t __attribute__((vector_size(16)));

// Eight halves of each of eight rows to eight rows of each of eight halves: halves, pairs and fours change places.
void turn_square(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride) {
  Halves v[8];
  for (std::int64_t r = 0; r < 8; ++r) v[r] = load<Halves>(from + r * from_stride);
  Halves twos[8], fours[8];
  for (std::int64_t r = 0; r < 8; r += 2) {
    twos[r] = __builtin_shufflevector(v[r], v[r + 1], 0, 8, 1, 9, 2, 10, 3, 11);
    twos[r + 1] = __builtin_shufflevector(v[r], v[r + 1], 4, 12, 5, 13, 6, 14, 7, 15);
  }
  for (std::int64_t q = 0; q < 8; q += 4)
    for (std::int64_t h = 0; h < 2; ++h) {
      fours[q + 2 * h] = __builtin_shufflevector(twos[q + h], twos[q + h + 2], 0, 1, 8, 9, 2, 3, 10, 11);
      fours[q + 2 * h + 1] = __builtin_shufflevector(twos[q + h], twos[q + h + 2], 4, 5, 12, 13, 6, 7, 14, 15);
    }
  for (std::int64_t k = 0; k < 4; ++k) {
    const Halves low = __builtin_shufflevector(fours[k], fours[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    const Halves high = __builtin_shufflevector(fours[k], fours[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    std::memcpy(to + 2 * k * to_stride, &low, sizeof low);
    std::memcpy(to + (2 * k + 1) * to_stride, &high, sizeof high);
  }
}

// `count` halves a row, of rows from_stride bytes apart, to places to_stride bytes apart where those of the rows lie side
// by side.
void turn_halves(const std::byte* from, std::int64_t from_stride, std::int64_t rows, std::int64_t count, std::byte* to,
                 std::int64_t to_stride) {
  const std::int64_t square_rows = rows / 8 * 8, square_count = count / 8 * 8;
  for (std::int64_t r = 0; r < square_rows; r += 8)
    for (std::int64_t k = 0; k < square_count; k += 8)
      turn_square(from + r * from_stride + 2 * k, from_stride, to + k * to_stride + 2 * r, to_stride);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t k = r < square_rows ? square_count : 0; k < count; ++k)
      std::memcpy(to + k * to_stride + 2 * r, from + r * from_stride + 2 * k, 2);
}

// Scales, or minima that lie so many bytes a row behind them.
void pack_beside(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where, std::int64_t behind) {
  for_each_panel(from, to, where, [behind](const StoredRows& in, std::byte* out, const Panel& panel, const MatrixPart& p) {
    std::byte* const first = out + panel.scale(p.row, p.column) + behind * panel.rows;
    if (is_grouped(panel.type)) {
      turn_halves(in.data, in.stride, p.rows, p.columns / group_size, first,
                  bytes_of(panel.type, panel.rows, group_size));
      return;
    }
    for (std::int64_t r = 0; r < p.rows; ++r) std::memcpy(first + 4 * r, in.data + r * in.stride, 4);
  });
}

}  // namespace

void pack_values(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where) {
  for_each_panel(from, to, where, pack_panel_of(to.type));
}

void pack_scales(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where) {
  check(is_quantized(to.type), "a type that is packed with scales has them");
  pack_beside(from, to, where, 0);
}

void pack_minima(const StoredRows& from, const PackedMatrix& to, const MatrixPart& where) {
  check(has_minimum(to.type), "a type that is packed with minima has them");
  pack_beside(from, to, where, 2);
}

void pack(const TensorRows& from, const MatrixPart& part, const PackedMatrix& to, std::int64_t row, std::int64_t column) {
  check(from.type == to.type && inside(part, from.rows, from.columns) &&
            (!is_grouped(from.type) || part.column % group_size == 0),
        "what is packed lies inside its tensor");
  const MatrixPart where = {row, part.rows, column, part.columns};
  const auto rows = [&](const auto& stored, std::int64_t stride, std::int64_t first) {
    return StoredRows{reinterpret_cast<const std::byte*>(stored.data()) + part.row * stride + first, stride};
  };
  const std::int64_t scales = from.scales_per_row() * 2, scale = is_grouped(from.type) ? part.column / group_size * 2 : 0;
  pack_values(rows(from.values, from.value_bytes_per_row(), part.column * bits(from.type) / 8), to, where);
  if (is_quantized(from.type)) pack_scales(rows(from.scale, scales, scale), to, where);
  if (has_minimum(from.type)) pack_minima(rows(from.minimum, scales, scale), to, where);
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
