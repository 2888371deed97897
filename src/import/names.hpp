// How a family calls its tensors, and which part of a stored tensor is which tensor of the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tsrun/model/config.hpp"
#include "tsrun/model/tensors.hpp"

namespace tsrun {

// Some families keep q, k and v in one matrix, or gate and in. Of its rows (of a bias: elements),
//   stacked   those of all heads of q come first, then those of k, then those of v;
//   by_heads  each key/value head has its query heads, then its key, then its value, and the next head follows;
//   halves    those of gate come first, then those of in.
enum class Fusing : std::uint8_t { none, stacked, by_heads, halves };

// A family whose files differ gives a weight several names, one after the other.
struct TensorName {
  Weight weight;
  std::string_view pattern;  // '#' stands for the layer
  Fusing fusing = Fusing::none;
  bool transposed = false;   // rows are input channels (GPT-2's Conv1D)
};

// The pattern with the layer's number in it.
std::string expand(std::string_view pattern, int layer);
// "blk.3.attn_q.weight": the first of its names; empty if the family has no such tensor.
std::string tensor_name(std::span<const TensorName> names, Weight weight, int layer);

// Where row i of a tensor stands among the rows of the stored one.
struct RowOrder {
  std::int64_t first = 0;       // of the part
  std::int64_t run = 0;         // rows of the part that stand together, 0 for all of them
  std::int64_t stride = 0;      // from one run's begin to the next's
  std::int64_t rows = 0;        // of the whole stored tensor
  std::int64_t Q = 0;           // head width, where `neighbours` is not 0
  std::int64_t neighbours = 0;  // rotary width of the heads whose partners i and i + R/2 are stored as 2i and 2i + 1

  bool is_identity() const { return first == 0 && run == 0 && neighbours == 0; }
  std::int64_t index(std::int64_t i) const;
  // The first row after i that does not follow in the file.
  std::int64_t run_end(std::int64_t i, std::int64_t last) const { return run == 0 ? last : (i / run + 1) * run; }
};

RowOrder row_order(Fusing fusing, const TensorSpec& spec, const ModelConfig& config);

}  // namespace tsrun
