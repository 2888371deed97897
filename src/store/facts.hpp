// What the model file says beside its tensors: the configuration and the tokenizer.
//
// The readers refuse (exit 2), naming the file, what is missing or contradicts itself.
#pragma once

#include <cstdint>
#include <string>

#include "hdf5.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

void write_config(hid_t file, const ModelConfig& config);
ModelConfig read_config(hid_t file, const std::string& path);

void write_tokenizer(hid_t file, const TokenizerData& tokenizer);
// `body` bytes of the file are HDF5's.
TokenizerData read_tokenizer(hid_t file, const std::string& path, std::uint64_t body);

}  // namespace tsrun
