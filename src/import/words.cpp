#include "words.hpp"

#include <algorithm>
#include <string>

namespace tsrun {

bool is_plain(std::string_view raw) {
  return std::none_of(raw.begin(), raw.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Number number(std::uint64_t value) {
  if (value >> 63 != 0) return std::to_string(value);
  return static_cast<std::int64_t>(value);
}

}  // namespace tsrun
