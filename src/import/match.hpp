// The tensors a configuration asks for, each found in the file under its GGUF name and with the right shape.
#pragma once

#include <vector>

#include "architecture.hpp"
#include "tsrun/import/source.hpp"

namespace tsrun {

struct Match {
  SourceTensor tensor;
  const GgufTensor* stored = nullptr;  // of the file
  // Rotary width of the heads whose rows (or, in a bias, elements) lie as neighbours; 0 where they lie in order.
  std::int64_t neighbours = 0;
};

// Refuses by name: a tensor that is missing, one of another shape (with both), one that nothing asks for.
std::vector<Match> match_tensors(const Gguf& file, const Architecture& architecture, const ModelConfig& config);

}  // namespace tsrun
