#include "stored_rows.hpp"

#include <algorithm>
#include <cstring>

#include "rows.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"

namespace tsrun {
namespace {

constexpr std::int64_t read_at_once = 1 << 20;  // bytes of the file in memory beside the rows asked for

void read_at(const FileTensor& stored, std::int64_t offset, std::span<std::byte> out) {
  stored.file->read(stored.offset + static_cast<std::uint64_t>(offset), out);
}

// visit(row, its bytes in the file) for rows 0 .. count - 1 from `first` on, stored as rows.
template <class Visit>
void for_stored_rows(const Match& m, std::int64_t first, std::int64_t count, Visit&& visit) {
  const RowOrder& order = m.order;
  const std::int64_t row_bytes = static_cast<std::int64_t>(m.stored.bytes) / order.rows;
  const std::int64_t unit = order.neighbours > 0 ? order.Q : 1;  // rows that must be read together
  const std::int64_t step = std::max<std::int64_t>(1, read_at_once / (row_bytes * unit)) * unit;
  const std::int64_t last = first + count;
  RowOrder runs = order;  // where a unit lies, whatever the order inside
  runs.neighbours = 0;
  std::vector<std::byte> slab;
  for (std::int64_t at = first / unit * unit, end = 0; at < last; at = end) {
    end = std::min({at + step, round_up(last, unit), order.run_end(at, m.tensor.spec.rows)});
    const std::int64_t begin = runs.index(at);
    slab.resize(static_cast<std::size_t>((end - at) * row_bytes));
    read_at(m.stored, begin * row_bytes, slab);
    for (std::int64_t row = std::max(at, first); row < std::min(end, last); ++row)
      visit(row - first, slab.data() + (order.index(row) - begin) * row_bytes);
  }
}

// The same where a row of the model is a column of the file: each row of the file gives one value to every row.
template <class Visit>
void for_stored_columns(const Match& m, std::int64_t first, std::int64_t count, Visit&& visit) {
  const auto each = static_cast<std::size_t>(m.stored.type->bytes), rows = static_cast<std::size_t>(count);
  const auto columns = static_cast<std::size_t>(m.tensor.spec.columns);
  std::vector<std::byte> turned(rows * columns * each), run;
  for (std::size_t c = 0; c < columns; ++c)
    for (std::int64_t at = first, end = 0; at < first + count; at = end) {
      end = std::min(first + count, m.order.run_end(at, first + count));
      run.resize(static_cast<std::size_t>(end - at) * each);
      const std::int64_t begin = static_cast<std::int64_t>(c) * m.order.rows + m.order.index(at);
      read_at(m.stored, begin * static_cast<std::int64_t>(each), run);
      for (std::int64_t row = at; row < end; ++row)
        std::memcpy(turned.data() + (static_cast<std::size_t>(row - first) * columns + c) * each,
                    run.data() + static_cast<std::size_t>(row - at) * each, each);
    }
  for (std::size_t row = 0; row < rows; ++row)
    visit(static_cast<std::int64_t>(row), turned.data() + row * columns * each);
}

template <class Visit>
void for_rows(const Match& m, std::int64_t first, std::int64_t count, Visit&& visit) {
  if (m.transposed)
    for_stored_columns(m, first, count, visit);
  else
    for_stored_rows(m, first, count, visit);
}

// The elements of a vector, from the whole stored one (`each` bytes a value) in the model's order.
void pick_elements(const Match& m, const std::byte* stored, std::size_t each, std::byte* out) {
  for (std::int64_t i = 0; i < m.tensor.spec.columns; ++i)
    std::memcpy(out + static_cast<std::size_t>(i) * each,
                stored + static_cast<std::size_t>(m.order.index(i)) * each, each);
}

std::vector<std::byte> whole_vector(const Match& m) {
  std::vector<std::byte> out(static_cast<std::size_t>(m.stored.bytes));
  read_at(m.stored, 0, out);
  return out;
}

void require_rows(const Match& m, std::int64_t first, std::int64_t count) {
  const std::int64_t rows = m.tensor.spec.rows;
  check(first >= 0 && count >= 0 && first <= rows && count <= rows - first, "the tensor has these rows");
}

}  // namespace

TensorRows read_stored(const Match& m, std::int64_t first, std::int64_t count) {
  require_rows(m, first, count);
  const TensorSpec& spec = m.tensor.spec;
  const GgmlType& type = *m.stored.type;
  if (spec.is_vector && count == 1) {
    TensorRows whole = TensorRows::zeros(m.tensor.type, 1, m.order.rows);
    TensorRows out = TensorRows::zeros(m.tensor.type, 1, spec.columns);
    std::vector<float> scratch(static_cast<std::size_t>(m.order.rows));
    keep_row(type, whole_vector(m).data(), whole, 0, scratch.data());
    pick_elements(m, whole.values.data(), static_cast<std::size_t>(bits(out.type) / 8), out.values.data());
    return out;
  }
  TensorRows out = TensorRows::zeros(m.tensor.type, count, spec.columns);
  std::vector<float> scratch(static_cast<std::size_t>(out.columns));
  for_rows(m, first, count, [&](std::int64_t row, const std::byte* in) {
    keep_row(type, in, out, row, scratch.data());
  });
  return out;
}

void read_stored_f32(const Match& m, std::int64_t first, std::int64_t count, float* out) {
  require_rows(m, first, count);
  const TensorSpec& spec = m.tensor.spec;
  const GgmlType& type = *m.stored.type;
  if (spec.is_vector && count == 1) {
    std::vector<float> whole(static_cast<std::size_t>(m.order.rows));
    type.dequantize(whole_vector(m).data(), m.order.rows / type.block, whole.data());
    pick_elements(m, reinterpret_cast<const std::byte*>(whole.data()), sizeof(float),
                  reinterpret_cast<std::byte*>(out));
    return;
  }
  for_rows(m, first, count, [&](std::int64_t row, const std::byte* in) {
    type.dequantize(in, spec.columns / type.block, out + row * spec.columns);
  });
}

}  // namespace tsrun
