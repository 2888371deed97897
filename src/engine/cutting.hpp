// What a chip holds of each dimension of a weight: where that lies in the file, and where in the shard.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/program/program.hpp"

namespace tsrun {

// A run of a dimension.
struct Piece {
  std::int64_t file = 0;
  std::int64_t local = 0;
  std::int64_t count = 0;
};

struct Cutting {
  std::vector<Piece> pieces;
  std::int64_t local = 0;  // size of the shard, padding included
};

// One weight: `rows` of its output dimension, `columns` of its input dimension; a vector is one row.
struct WeightCut {
  Cutting rows, columns;
};

class Cutter {
 public:
  // `sizes` are those of all chips of the torus: worked out once, and referred to.
  Cutter(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const Coord& chip);
  WeightCut cut(const WeightUse& use, const TensorSpec& spec) const;

 private:
  Cutting cut(Dim d, const AxisStack& axes) const;
  Cutting heads(Range positions) const;
  std::int64_t real_size(Dim d) const;

  const ModelConfig& config_;
  Torus torus_;
  Coord chip_;
  const PaddedSizes& sizes_;
};

}  // namespace tsrun
