// The tensors of a Hugging Face folder, matched with those that its configuration asks for.
#pragma once

#include <string>
#include <vector>

#include "hf_family.hpp"
#include "match.hpp"
#include "tsrun/import/safetensors.hpp"

namespace tsrun {

// Besides what match_tensors refuses: an unembedding beside a tied embedding that is not the same.
std::vector<Match> match_hf_tensors(const std::vector<Safetensors>& shards, const std::string& where,
                                    const HfFamily& family, const ModelConfig& config);

}  // namespace tsrun
