// An Error as bytes that travel to other ranks.
#pragma once

#include <string>

#include "tsrun/core/error.hpp"

namespace tsrun {

std::string to_bytes(const Error& error);
// Of bytes that to_bytes made.
Error error_of(const std::string& bytes);

}  // namespace tsrun
