#include "tsrun/engine/weight_gather.hpp"

#include <algorithm>

namespace tsrun {

static_assert(rows_together % panel_rows == 0, "a tile is a packed matrix");

std::int64_t tile_bytes(const PackedView& shard, int tiles, int tile) {
  return bytes_of(shard.type, tile_rows(shard.rows, tiles, tile).size(), shard.columns);
}

// For the largest tile of the step, so that the next one moves nothing; never while the old blocks are still held.
void WeightGather::make_room(const Step& step, int chips, const Weights& weights) {
  std::int64_t most = 0;
  for (int tile = 0; tile < step.tiles; ++tile) {
    std::int64_t bytes = 0;
    for (const WeightUse& use : step.weights) bytes += tile_bytes(weights.matrix(use), step.tiles, tile);
    most = std::max(most, bytes * chips);
  }
  if (std::ssize(blocks_) >= most) return;
  std::vector<std::byte>().swap(blocks_);
  blocks_.resize(static_cast<std::size_t>(most));
}

void WeightGather::gather(const Step& step, int tile, const Schedule& schedule, const Weights& weights,
                          LinkCounts& sent) {
  group_ = step.axes;
  gathered_.resize(step.weights.size());
  tensors_.clear();
  make_room(step, schedule.blocks, weights);
  std::byte* blocks = blocks_.data();
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
  const std::int64_t width = g.shard_rows * torus_.size(g.free),
                     bytes = bytes_of(g.tile.type, g.tile.rows, g.tile.columns);
  side_by_side_.resize(static_cast<std::size_t>(torus_.size(g.contracted)), g.tile);
  for (int f = 0; f < torus_.size(g.free); ++f) {
    for (int chip = 0; chip < torus_.size(group_); ++chip) {
      const Coord c = chip_of(torus_, group_, chip);
      if (block_of(torus_, g.free, c) != f) continue;
      PackedView& block = side_by_side_[static_cast<std::size_t>(block_of(torus_, g.contracted, c))];
      block = g.tile;
      block.data = g.blocks + chip * bytes;
    }
    tsrun::multiply(x, side_by_side_, y + f * g.shard_rows + g.rows.begin, width);
  }
}

}  // namespace tsrun
