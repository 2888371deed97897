// Rotary positions: the leading `rope_dims` numbers of a head are turned in pairs, each pair at its own pace.
//
// Scaling makes slow pairs slower, so that a model reaches further than it was trained: all of them (linear), those that
// turn seldom within the original context with a blend by turns (Llama 3) or by pairs (YaRN, arXiv 2309.00071).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tsrun/model/config.hpp"

namespace tsrun {

class Rotary {
 public:
  // Of local layers (sliding windows), which may have a base of their own and are then not scaled, or of the others.
  Rotary(const ModelConfig& config, bool local);
  // Angles of these positions, for the pass that follows; negative positions are padding.
  void set_positions(std::span<const std::int64_t> positions);
  // One head of token `t` of the positions, in place.
  void rotate(std::int64_t t, float* head) const;

 private:
  Pairing pairing_;
  std::int64_t pairs_;
  float stretch_;                 // of both numbers of a pair
  std::vector<float> frequency_;  // radians a position, scaled
  std::vector<float> cos_, sin_;  // [token][pair]
};

}  // namespace tsrun
