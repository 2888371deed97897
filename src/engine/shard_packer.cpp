#include "shard_packer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {

// Rows and columns of one part of a tensor, as they are stored.
struct ShardPacker::Block {
  int part = 0;
  Unit unit;
  MatrixPart of;  // the tensor's
  StoredRows rows;

  std::int64_t bytes_before(std::int64_t column) const {
    return column / unit.columns * unit.bytes - of.column / unit.columns * unit.bytes;
  }
  Block rows_from(std::int64_t row, std::int64_t count) const {
    return {part, unit, {row, count, of.column, of.columns}, {rows.data + (row - of.row) * rows.stride, rows.stride}};
  }
  Block columns_from(std::int64_t column, std::int64_t count) const {
    return {part, unit, {of.row, of.rows, column, count}, {rows.data + bytes_before(column), rows.stride}};
  }
};

namespace {

// What of `piece` lies in [begin, begin + count).
Piece common(const Piece& piece, std::int64_t begin, std::int64_t count) {
  const std::int64_t first = std::max(piece.file, begin), last = std::min(piece.file + piece.count, begin + count);
  return {first, piece.local + first - piece.file, last - first};
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

void shape(TensorRows& rows, DType type, std::int64_t count, std::int64_t columns) {
  if (rows.type != type || rows.rows != count || rows.columns != columns) rows = TensorRows::zeros(type, count, columns);
}

}  // namespace

ShardPacker::ShardPacker(std::vector<Shard> shards) : shards_(std::move(shards)), beside_(shards_.size()) {}

void ShardPacker::begin(std::size_t weight) {
  const Shard& shard = shards_[weight];
  Beside& b = beside_[weight];
  if (!shard.converts() || !b.parts[0].empty() || shard.cut.rows.pieces.empty()) return;
  b.first = shard.tensor->spec.rows;
  for (const Piece& p : shard.cut.rows.pieces) {
    b.first = std::min(b.first, p.file);
    b.last = std::max(b.last, p.file + p.count);
  }
  for (int part = 1; part < shard.tensor->parts(); ++part)
    b.parts[part - 1].resize(static_cast<std::size_t>((b.last - b.first) * shard.tensor->row_bytes(part)));
}

void ShardPacker::end(std::size_t weight) { beside_[weight] = {}; }

void ShardPacker::pack(std::size_t weight, const TensorSpan& span, const std::byte* bytes, Scratch& scratch) {
  const Shard& shard = shards_[weight];
  const std::int64_t row_bytes = span.tensor->row_bytes(span.part), end = span.begin + span.bytes;
  const Unit unit = span.tensor->unit(span.part);
  for (std::int64_t at = span.begin, size = 0; at < end; at += size) {
    const std::int64_t inside = at % row_bytes;
    const bool whole = inside == 0 && end - at >= row_bytes;
    size = whole ? (end - at) / row_bytes * row_bytes : std::min(end - at, row_bytes - inside);
    const MatrixPart of = {at / row_bytes, whole ? size / row_bytes : 1, inside / unit.bytes * unit.columns,
                           (whole ? row_bytes : size) / unit.bytes * unit.columns};
    const Block block = {span.part, unit, of, {bytes + at - span.begin, row_bytes}};
    if (shard.converts() && span.part > 0) {
      keep(beside_[weight], shard, block);
      continue;
    }
    for (const Piece& row_piece : shard.cut.rows.pieces) {
      const Piece r = common(row_piece, of.row, of.rows);
      if (r.count <= 0) continue;
      for (const Piece& column_piece : shard.cut.columns.pieces) {
        const Piece c = common(column_piece, of.column, of.columns);
        if (c.count <= 0) continue;
        const Block mine = block.rows_from(r.file, r.count).columns_from(c.file, c.count);
        const MatrixPart to = {r.local, r.count, c.local, c.count};
        if (shard.converts()) convert(shard, beside_[weight], mine, r.local, c.local, scratch);
        else if (span.part == 0) pack_values(mine.rows, shard.matrix, to);
        else if (span.part == 1) pack_scales(mine.rows, shard.matrix, to);
        else pack_minima(mine.rows, shard.matrix, to);
      }
    }
  }
}

void ShardPacker::keep(Beside& beside, const Shard& shard, const Block& block) const {
  const std::int64_t row_bytes = shard.tensor->row_bytes(block.part);
  const std::int64_t first = std::max(block.of.row, beside.first);
  const std::int64_t last = std::min(block.of.row + block.of.rows, beside.last);
  const auto size = static_cast<std::size_t>(block.of.columns / block.unit.columns * block.unit.bytes);
  for (std::int64_t r = first; r < last; ++r)
    std::memcpy(beside.parts[block.part - 1].data() + (r - beside.first) * row_bytes +
                    block.of.column / block.unit.columns * block.unit.bytes,
                block.rows.data + (r - block.of.row) * block.rows.stride, size);
}

// Some rows at a time, in whole groups: a shard that is not held in groups may begin inside one.
void ShardPacker::convert(const Shard& shard, const Beside& beside, const Block& block, std::int64_t row,
                          std::int64_t column, Scratch& scratch) const {
  const StoredTensor& tensor = *shard.tensor;
  const std::int64_t group = is_grouped(tensor.type) ? group_size : 1;
  const std::int64_t first = block.of.column / group * group;
  const std::int64_t width = round_up(block.of.column + block.of.columns, group) - first;
  const std::int64_t at_a_time = std::max<std::int64_t>(1, (std::int64_t{1} << 16) / width);
  for (std::int64_t done = 0, count = 0; done < block.of.rows; done += count) {
    count = std::min(at_a_time, block.of.rows - done);
    const Block some = block.rows_from(block.of.row + done, count).columns_from(first, width);
    shape(scratch.stored, tensor.type, count, width);
    const auto copy = [&](auto& to, int part) {
      const Unit unit = tensor.unit(part);
      const std::int64_t size = part == 0 || is_grouped(tensor.type) ? width / unit.columns * unit.bytes : unit.bytes;
      const std::int64_t skipped = first / unit.columns * unit.bytes;
      for (std::int64_t r = 0; r < count; ++r) {
        const std::byte* const from =
            part == 0 ? some.rows.data + r * some.rows.stride
                      : beside.parts[part - 1].data() + (some.of.row + r - beside.first) * tensor.row_bytes(part) + skipped;
        std::memcpy(reinterpret_cast<std::byte*>(to.data()) + r * size, from, static_cast<std::size_t>(size));
      }
    };
    copy(scratch.stored.values, 0);
    if (tensor.parts() > 1) copy(scratch.stored.scale, 1);
    if (tensor.parts() > 2) copy(scratch.stored.minimum, 2);
    scratch.values.resize(static_cast<std::size_t>(count * width));
    decode_rows(scratch.stored, 0, count, scratch.values.data());
    const float* const values = scratch.values.data() + (block.of.column - first);
    if (shard.vector != nullptr) {
      std::transform(values, values + block.of.columns, shard.vector + column, [&](float v) { return v + shard.offset; });
      continue;
    }
    if (is_grouped(shard.matrix.type) && !all_finite(scratch.values))
      refuse({.what = text("the tensor ", tensor.spec.path, " has values that are not finite numbers"),
              .where = "--dtype",
              .next = text("run without --dtype ", name(shard.matrix.type))});
    shape(scratch.held, shard.matrix.type, count, block.of.columns);
    for (std::int64_t r = 0; r < count; ++r) encode_row(values + r * width, scratch.held, r);
    tsrun::pack(scratch.held, {0, count, 0, block.of.columns}, shard.matrix, row + done, column);
  }
}

}  // namespace tsrun
