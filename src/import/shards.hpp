// The weights of a Hugging Face folder: model.safetensors, or the files that model.safetensors.index.json names.
#pragma once

#include <vector>

#include "tsrun/import/folder.hpp"
#include "tsrun/import/safetensors.hpp"

namespace tsrun {

// Opens all files. Refuses a folder without weights, a file that is missing, a tensor that stands in two files, in
// another than the index says, or not in the index.
std::vector<Safetensors> open_shards(const Folder& folder);

}  // namespace tsrun
