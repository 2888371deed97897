// A model's configuration, taken from the keys of a GGUF file and checked against its tensors.
#pragma once

#include "gguf_family.hpp"
#include "tsrun/import/gguf.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun {

// Refuses a field that is missing or contradicts another, naming it with both numbers.
ModelConfig read_config(const Gguf& file, const Architecture& architecture);

// Fills the rotary facts; needs config.Q and config.context. Scalings other than linear, YaRN and Llama 3's are
// refused.
void read_rope(const Gguf& file, const Architecture& architecture, ModelConfig& config);

}  // namespace tsrun
