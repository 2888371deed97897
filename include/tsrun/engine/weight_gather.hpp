// Products with weights that are gathered just before use, tile by tile: the whole gathered matrix never exists.
//
// A tile is a run of whole panels of every chip's shard. Gathered, the contracted blocks (of chips along the axes that
// cut the input) are multiplied side by side, in the order of the chips, for each free block (of chips along the axes
// that cut the output): the same sums as with a weight that was never cut, whoever computes them. Source: paper
// section 3.2.3.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/collectives/collectives.hpp"
#include "tsrun/engine/weights.hpp"
#include "tsrun/kernels/pages.hpp"
#include "tsrun/kernels/product.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// Bytes of a shard's tile.
std::int64_t tile_bytes(const PackedView& shard, int tiles, int tile);

class WeightGather {
 public:
  WeightGather(const Torus& torus, Collectives& collectives) : torus_(torus), collectives_(collectives) {}

  // The tile of all the step's weights, from every chip of the group.
  void gather(const Step& step, int tile, const Schedule& schedule, const Weights& weights, LinkCounts& sent);
  // The tile's part of y[rows of x][rows of the gathered weight] = x * w^T, w the step's i-th weight.
  void multiply(std::size_t i, Activations& x, float* y);

 private:
  // One weight of the gathered step.
  struct Gathered {
    PackedView tile;                // of this chip's shard
    Range rows;                     // of the shard, in this tile
    std::int64_t shard_rows = 0;
    AxisStack free, contracted;     // axes of the group that cut its output and its input
    const std::byte* blocks = nullptr;  // the tile of each chip of the group
  };
  std::byte* room_for(const Step& step, int chips, const Weights& weights);

  Torus torus_;
  Collectives& collectives_;
  AxisStack group_;
  std::vector<Gathered> gathered_;
  std::vector<Strided> tensors_;
  Pages blocks_;  // of all weights of the step at work
  std::vector<PackedView> side_by_side_;  // of one weight: the contracted blocks of each free one
  std::vector<ProductOf> products_;
};

}  // namespace tsrun
