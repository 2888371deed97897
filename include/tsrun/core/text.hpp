// Small words for building messages: no std::format in the compilers of Debian 12.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace tsrun {

// text("heads ", 9, " over ", 2) == "heads 9 over 2"
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// "3.1 MiB", "12 B"
std::string human_bytes(double bytes);
// "41 us", "1.3 s"
std::string human_seconds(double seconds);
// "a, b, c"
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

}  // namespace tsrun
