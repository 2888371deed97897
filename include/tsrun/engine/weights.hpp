// A chip's shard of the weights, from the model file to the memory that the kernels read: packed once, in one copy that
// serves prefill and decode, and layouts that gather it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "tsrun/engine/load_window.hpp"
#include "tsrun/kernels/packed.hpp"
#include "tsrun/kernels/pages.hpp"
#include "tsrun/mesh/mesh.hpp"
#include "tsrun/program/program.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun {

// What a weight is held as: as stored where a kernel reads it, else f32, which every stored type becomes without loss;
// where a type is asked for, that, by the rules of `convert`, but nothing that is stored in fewer bits is quantised
// anew. Vectors are always f32.
DType held_type(const StoredTensor& tensor, std::optional<DType> asked);
// What a layout asks for of this file's types: whole groups of inputs for each chip, where some weight is held in
// groups.
Layout with_groups(Layout layout, const ModelFile& file, std::optional<DType> asked);

// Called now and then by every rank while it loads: bytes of this host that are in place, of so many.
using LoadProgress = std::function<void(std::int64_t done, std::int64_t all)>;

struct Shard;      // a weight's place in memory, for who packs it
struct WeightCut;  // what a chip holds of a weight

class Weights {
 public:
  // Reads this chip's part of every weight; all ranks call, and those of a host read each span once for all of them.
  // What lies outside the tensor is padding and 0. `norm_offset` is added to the norm scales here. The layout has
  // groups. All ranks throw alike.
  Weights(const ModelFile& file, const Mesh& mesh, const Layout& layout, std::optional<DType> asked,
          const HostRanks& host, const LoadProgress& progress);

  // [rows of the output dimension][columns of the input dimension] of this chip.
  PackedView matrix(const WeightUse& use) const { return held(use).shard; }
  // The whole padded vector, on every chip.
  const float* vector(const WeightUse& use) const { return held(use).vector.data(); }
  std::int64_t bytes() const { return bytes_; }
  // Of the matrices that products read in every pass: without tables that are only looked up.
  std::int64_t bytes_of_products() const { return bytes_of_products_; }

 private:
  struct Held {
    PackedView shard;           // of a matrix
    std::vector<float> vector;
  };
  const Held& held(const WeightUse& use) const;
  std::vector<std::int64_t> allot(const ModelFile& file, const Torus& torus, const Layout& layout,
                                  std::optional<DType> asked);
  std::vector<Shard> make_shards(const ModelFile& file, const std::vector<WeightUse>& uses,
                                 const std::vector<WeightCut>& cuts, const std::vector<std::int64_t>& places);

  std::map<std::pair<int, Weight>, Held> held_;
  Pages pages_;  // of all matrices
  std::int64_t bytes_ = 0, bytes_of_products_ = 0;
};

}  // namespace tsrun
