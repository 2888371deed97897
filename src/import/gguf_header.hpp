// Reads the header of a GGUF file from its first byte to its last tensor, believing nothing.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tsrun/import/gguf.hpp"

namespace tsrun {

struct GgufHeader {
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<GgufTensor> tensors;
};

GgufHeader read_gguf_header(const Bytes& bytes);

}  // namespace tsrun
