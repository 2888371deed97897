// Lines of reports, formatted.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>

#include "tsrun/core/text.hpp"

namespace tsrun::cli {

template <class... Values>
std::string line(const char* format, Values... values) {
  std::array<char, 512> out{};
  std::snprintf(out.data(), out.size(), format, values...);
  return std::string(out.data()) + "\n";
}

inline std::string bytes(double n) { return human_bytes(n); }
inline std::string bytes(std::int64_t n) { return human_bytes(static_cast<double>(n)); }

}  // namespace tsrun::cli
