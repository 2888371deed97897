// A chip's shard of the weights, from the model file to the memory that the kernels read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tsrun/kernels/matmul.hpp"
#include "tsrun/mesh/mesh.hpp"
#include "tsrun/program/program.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun {

// What a weight stored as `stored` is held as: as asked, else as stored where a kernel reads it, else f32, which every
// stored type becomes without loss. Vectors are always f32.
DType held_type(DType stored, std::optional<DType> asked);

class Weights {
 public:
  // Reads this chip's part of every weight: the file's rows in whole spans, then the columns that are its own. What
  // lies outside the tensor is padding and 0. `norm_offset` is added to the norm scales here.
  Weights(const ModelFile& file, const Torus& torus, const Coord& chip, const Layout& layout,
          std::optional<DType> asked);

  // [rows of the output dimension][columns of the input dimension] of this chip.
  Matrix matrix(const WeightUse& use) const;
  // The whole padded vector, on every chip.
  const float* vector(const WeightUse& use) const;
  std::int64_t bytes() const { return bytes_; }

 private:
  struct Held {
    Matrix shape;  // data unset
    std::vector<float> f32;
    std::vector<std::uint16_t> bf16;
  };
  const Held& held(const WeightUse& use) const;

  std::map<std::pair<int, Weight>, Held> held_;
  std::int64_t bytes_ = 0;
};

}  // namespace tsrun
