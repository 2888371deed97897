// Weights that are made up, for measurements: their speed is that of real ones, and nothing has to be on a disk.
#pragma once

#include <span>
#include <vector>

#include "tsrun/store/model_file.hpp"

namespace tsrun {

// The tensors of a model whose matrices were converted to `type`.
std::vector<StoredTensor> made_up_tensors(const ModelConfig& config, DType type);
// Bytes from `begin` on of a part of a tensor: values evenly spread around 0, so that a product has about the size of
// what it is a product of; vectors are ones. A row's values depend on the tensor and the row alone.
void make_up(const StoredTensor& tensor, int part, std::int64_t begin, std::span<std::byte> out);

}  // namespace tsrun
