// A chip from its file: data/chips/NAME.json, or one that a user wrote.
#pragma once

#include <string>

#include "tsrun/cost/chip.hpp"

namespace tsrun {

// Refuses a file that is no JSON object, lacks a field, or has one that no chip can have; names file, field and what is
// expected. Fields: data/chips/README.md.
Chip read_chip(const std::string& path);

}  // namespace tsrun
