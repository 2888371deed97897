// From the bytes of a span to a chip's shards.
//
// A span is a run of stored rows, the first and the last of them perhaps cut. What of it lies in the chip's pieces is
// packed at once where the shard has the stored type. Where it has another the values are converted on the way; those
// of quantised types wait for their scales and minima, so these are packed first.
#pragma once

#include <vector>

#include "cutting.hpp"
#include "tsrun/kernels/packed.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun {

// Of one weight.
struct Shard {
  const StoredTensor* tensor = nullptr;
  WeightCut cut;
  PackedMatrix matrix;      // of a vector: none
  float* vector = nullptr;  // of a matrix: none
  float offset = 0;         // added to each element of a vector

  bool converts() const { return vector != nullptr || matrix.type != tensor->type; }
};

class ShardPacker {
 public:
  // Memory that a thread uses again and again.
  struct Scratch {
    TensorRows stored, held;
    std::vector<float> values;
  };

  explicit ShardPacker(std::vector<Shard> shards);

  // Before the first span of scales or minima of a weight, and when all of its spans are packed; by one thread.
  void begin(std::size_t weight);
  void end(std::size_t weight);
  // By any number of threads, each with its own scratch; the scales of a weight before its values. Refuses (exit 2)
  // values that the shard's type cannot hold.
  void pack(std::size_t weight, const TensorSpan& span, const std::byte* bytes, Scratch& scratch);

 private:
  // Scales and minima of a tensor that is converted: of its rows from `first` on, in all columns.
  struct Beside {
    std::int64_t first = 0, last = 0;
    std::vector<std::byte> parts[2];
  };
  struct Block;
  void keep(Beside& beside, const Shard& shard, const Block& block) const;
  void convert(const Shard& shard, const Beside& beside, const Block& block, std::int64_t row, std::int64_t column,
               Scratch& scratch) const;

  std::vector<Shard> shards_;
  std::vector<Beside> beside_;
};

}  // namespace tsrun
