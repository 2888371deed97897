// A file that appears under its name only when it is complete.
#pragma once

#include <string>

namespace tsrun::cli {

void write_atomically(const std::string& path, const std::string& whole);

}  // namespace tsrun::cli
