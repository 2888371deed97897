// A pass of a whole model on a chip of a torus, priced from programs of single layers.
//
// All layers that see alike take the same steps, so one of each kind is lowered and counted as often as there are such
// layers. What a chip's software does with a program (data/chips, "program") are ordinary choices of storage and
// layout.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/cost/memory.hpp"
#include "tsrun/cost/price.hpp"
#include "tsrun/layout/layout.hpp"

namespace tsrun {

struct LoweredPass {
  // Layers that take the same steps, and what is outside the layers.
  struct Kind {
    Program program;  // of one such layer
    std::int64_t layers = 0;
  };
  ModelConfig config;
  std::vector<Kind> kinds;

  const Program& program() const { return kinds.back().program; }
  // How often the pass has a step or a weight of a kind's program, by the layer it names (-1: none). What is outside the
  // layers is in every kind's program, and counts in the last.
  std::int64_t times(const Kind& kind, int layer) const {
    return layer >= 0 ? kind.layers : &kind == &kinds.back() ? 1 : 0;
  }
};

// The pass as the chip's software would carry it out. Throws where the layout cannot be (lower.hpp).
LoweredPass lower_pass(const ModelConfig& config, const Chip& chip, const Torus& torus, const Layout& layout,
                       const PassShape& shape);

struct PassCost {
  StepPrice layers;   // of all layers
  StepPrice outside;  // of embedding, logits and sampling
  double time_s() const { return layers.time_s + outside.time_s; }
  StepPrice all() const;
};

// All weights are held as `weights`, the cache as `kv`.
PassCost price_pass(const LoweredPass& pass, const Chip& chip, DType weights, DType kv, WalkLoads& walks);

// Of a chip: all layers' weights and cache, with room for `positions` of each sequence; and the activations that are
// alive at once inside a layer, each of `element_bytes`. What is outside the layers, and the buffers of collectives,
// can be had a few tokens at a time and are not counted.
Memory pass_memory(const LoweredPass& pass, DType weights, DType kv, std::int64_t positions, int element_bytes);

// That a chip sends in a pass, mean over the chips, each activation as `element_bytes`.
double bytes_sent(const LoweredPass& pass, DType weights, int element_bytes);

}  // namespace tsrun
