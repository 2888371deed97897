// A small file in memory.
#pragma once

#include <cstdint>
#include <string>

#include "tsrun/import/bytes.hpp"

namespace tsrun {

// All of it; refused where it is longer than `longest`.
std::string read_small_file(const Bytes& bytes, std::uint64_t longest);

}  // namespace tsrun
