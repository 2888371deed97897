#include "tsrun/engine/weight_gather.hpp"

#include <cstring>

namespace tsrun {
namespace {

std::int64_t row_bytes(const Matrix& m) { return m.columns * bits(m.type) / 8; }

// Where the group's chip number `chip` sits along the group's axes.
Coord coord_in(const Torus& torus, const AxisStack& group, int chip) {
  Coord c;
  for (const Axis a : group.reversed()) {
    c.at(a) = chip % torus.size(a);
    chip /= torus.size(a);
  }
  return c;
}

}  // namespace

std::int64_t tile_bytes(const Matrix& shard, int tiles, int tile) {
  return tile_rows(shard.rows, tiles, tile).size() * row_bytes(shard);
}

void WeightGather::gather(const Step& step, int tile, const Schedule& schedule, const Weights& weights,
                          LinkCounts& sent) {
  group_ = step.axes;
  gathered_.resize(std::max(gathered_.size(), step.weights.size()));
  tensors_.clear();
  for (std::size_t i = 0; i < step.weights.size(); ++i) {
    const Partition& p = step.weights[i].partition;
    const Dim in = p[0].dim, out = in == Dim::E ? p[1].dim : Dim::E;
    Gathered& g = gathered_[i];
    g.shard = weights.matrix(step.weights[i]);
    g.rows = tile_rows(g.shard.rows, step.tiles, tile);
    g.free = p.axes(out).only(group_.set());
    g.contracted = p.axes(in).only(group_.set());
    const std::int64_t bytes = g.rows.size() * row_bytes(g.shard);
    g.blocks.resize(static_cast<std::size_t>(bytes * schedule.blocks));
    tensors_.push_back(
        {1, bytes, static_cast<const std::byte*>(g.shard.data) + g.rows.begin * row_bytes(g.shard), g.blocks.data()});
    tensors_.back().element = 1;
  }
  collectives_.run(schedule, tensors_, sent);
}

// Nothing is copied where the input is not cut: a chip's block is all columns already.
const std::byte* WeightGather::whole_rows(const Gathered& g, int free_block) {
  const std::int64_t row = row_bytes(g.shard), block = g.rows.size() * row;
  const int contracted = torus_.size(g.contracted), chips = torus_.size(group_);
  assembled_.resize(static_cast<std::size_t>(contracted * block));
  for (int chip = 0; chip < chips; ++chip) {
    const Coord c = coord_in(torus_, group_, chip);
    if (block_of(torus_, g.free, c) != free_block) continue;
    const std::byte* from = g.blocks.data() + chip * block;
    if (contracted == 1) return from;
    std::byte* to = assembled_.data() + block_of(torus_, g.contracted, c) * row;
    for (std::int64_t r = 0; r < g.rows.size(); ++r, from += row, to += contracted * row)
      std::memcpy(to, from, static_cast<std::size_t>(row));
  }
  return assembled_.data();
}

void WeightGather::multiply(std::size_t i, const float* x, std::int64_t n, float* y) {
  const Gathered& g = gathered_[i];
  if (g.rows.size() == 0) return;
  const std::int64_t columns = g.shard.columns * torus_.size(g.contracted), width = g.shard.rows * torus_.size(g.free);
  for (int f = 0; f < torus_.size(g.free); ++f)
    matmul(x, n, {g.shard.type, g.rows.size(), columns, whole_rows(g, f)}, y + f * g.shard.rows + g.rows.begin, width);
}

}  // namespace tsrun
