// A pass of a whole model on a chip of a torus, priced from programs of single layers.
//
// All layers that see alike take the same steps, so one of each kind is lowered and counted as often as there are such
// layers. What a chip's software does with a program (data/chips, "program") are ordinary choices of storage and
// layout.
#pragma once

#include <functional>

#include "tsrun/cost/price.hpp"
#include "tsrun/layout/layout.hpp"

namespace tsrun {

struct PassCost {
  StepPrice layers;   // of all layers
  StepPrice outside;  // of embedding, logits and sampling
  double time_s() const { return layers.time_s + outside.time_s; }
};

// The layout as the chip's software carries it out: how keys and values are stored, how query heads are padded and
// sent.
Layout as_released(const Layout& layout, const ModelConfig& config, const Torus& torus, const Chip& chip);

// All weights are held as `weights`. Throws where the layout cannot be (lower.hpp).
PassCost price_pass(const ModelConfig& config, const Chip& chip, const Torus& torus, const Layout& layout,
                    const PassShape& shape, DType weights, DType kv);

}  // namespace tsrun
