#include "tsrun/engine/weight_gather.hpp"

#include <algorithm>
#include <span>

namespace tsrun {

static_assert(rows_together % panel_rows == 0, "a tile is a packed matrix");

std::int64_t tile_bytes(const PackedView& shard, int tiles, int tile) {
  return bytes_of(shard.type, tile_rows(shard.rows, tiles, tile).size(), shard.columns);
}

// For the largest tile of the step, so that the next one moves nothing.
std::byte* WeightGather::room_for(const Step& step, int chips, const Weights& weights) {
  std::int64_t most = 0;
  for (int tile = 0; tile < step.tiles; ++tile) {
    std::int64_t bytes = 0;
    for (const WeightUse& use : step.weights) bytes += tile_bytes(weights.matrix(use), step.tiles, tile);
    most = std::max(most, bytes * chips);
  }
  return room(blocks_, most);
}

void WeightGather::gather(const Step& step, int tile, const Schedule& schedule, const Weights& weights,
                          LinkCounts& sent) {
  group_ = step.axes;
  gathered_.resize(step.weights.size());
  tensors_.clear();
  std::byte* blocks = room_for(step, schedule.blocks, weights);
  for (std::size_t i = 0; i < step.weights.size(); ++i) {
    const Partition& p = step.weights[i].partition;
    const Dim in = p[0].dim, out = in == Dim::E ? p[1].dim : Dim::E;
    const PackedView shard = weights.matrix(step.weights[i]);
    Gathered& g = gathered_[i];
    g.rows = tile_rows(shard.rows, step.tiles, tile);
    g.tile = shard.rows_of(g.rows.begin, g.rows.size());
    g.shard_rows = shard.rows;
    g.free = p.axes(out).only(group_.set());
    g.contracted = p.axes(in).only(group_.set());
    const std::int64_t bytes = bytes_of(shard.type, g.tile.rows, shard.columns);
    g.blocks = blocks;
    tensors_.push_back({1, bytes, g.tile.data, blocks});
    tensors_.back().element = 1;
    blocks += bytes * schedule.blocks;
  }
  collectives_.run(schedule, tensors_, sent);
}

void WeightGather::multiply(std::size_t i, Activations& x, float* y) {
  const Gathered& g = gathered_[i];
  if (g.rows.size() == 0) return;
  const int frees = torus_.size(g.free), contracted = torus_.size(g.contracted);
  const std::int64_t bytes = bytes_of(g.tile.type, g.tile.rows, g.tile.columns);
  side_by_side_.assign(static_cast<std::size_t>(frees * contracted), g.tile);
  for (int chip = 0; chip < torus_.size(group_); ++chip) {
    const Coord c = chip_of(torus_, group_, chip);
    const int at = block_of(torus_, g.free, c) * contracted + block_of(torus_, g.contracted, c);
    side_by_side_[static_cast<std::size_t>(at)].data = g.blocks + chip * bytes;
  }
  products_.clear();
  for (int f = 0; f < frees; ++f)
    products_.push_back({.blocks = std::span(side_by_side_).subspan(static_cast<std::size_t>(f * contracted),
                                                                    static_cast<std::size_t>(contracted)),
                         .y = y + f * g.shard_rows + g.rows.begin,
                         .y_stride = g.shard_rows * frees});
  tsrun::multiply(x, products_);
}

}  // namespace tsrun
