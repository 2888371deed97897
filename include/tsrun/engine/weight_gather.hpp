// Products with weights that are gathered just before use, tile by tile: the whole gathered matrix never exists.
//
// A tile is a run of rows of every chip's shard. Gathered, it holds for each free block (chips along the axes that cut
// the output) the contracted blocks (chips along the axes that cut the input) side by side, in the order of the chips:
// the same product as with a weight that was never cut, whoever computes it. Source: paper section 3.2.3; programs.md
// section 2.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/collectives/collectives.hpp"
#include "tsrun/engine/weights.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// Bytes of a shard's tile.
std::int64_t tile_bytes(const Matrix& shard, int tiles, int tile);

class WeightGather {
 public:
  WeightGather(const Torus& torus, Collectives& collectives) : torus_(torus), collectives_(collectives) {}

  // The tile of all the step's weights, from every chip of the group.
  void gather(const Step& step, int tile, const Schedule& schedule, const Weights& weights, LinkCounts& sent);
  // The tile's part of y[n][rows of the gathered weight] = x[n][its columns] * w^T, w the step's i-th weight.
  void multiply(std::size_t i, const float* x, std::int64_t n, float* y);

 private:
  // One weight of the gathered step.
  struct Gathered {
    Matrix shard;
    Range rows;                     // of the shard, in this tile
    AxisStack free, contracted;     // axes of the group that cut its output and its input
    std::vector<std::byte> blocks;  // [chip of the group][row of the tile][column of the shard]
  };
  // The rows of the tile that belong to one free block, with all their columns.
  const std::byte* whole_rows(const Gathered& g, int free_block);

  Torus torus_;
  Collectives& collectives_;
  AxisStack group_;
  std::vector<Gathered> gathered_;
  std::vector<Strided> tensors_;
  std::vector<std::byte> assembled_;
};

}  // namespace tsrun
