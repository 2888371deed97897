#include "words.hpp"

#include <algorithm>
#include <cstdint>

#include "tsrun/core/text.hpp"

namespace tsrun {

std::string printable(std::string_view raw) {
  constexpr std::size_t longest = 80;
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : raw.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  if (raw.size() > longest) out += "...";
  return out;
}

bool is_plain(std::string_view raw) {
  return std::none_of(raw.begin(), raw.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Number number(std::uint64_t value) {
  if (value >> 63 != 0) return std::to_string(value);
  return static_cast<std::int64_t>(value);
}

bool is_utf8(std::string_view raw) {
  while (!raw.empty()) {
    const std::size_t size = utf8_character(raw);
    if (size == 0) return false;
    raw.remove_prefix(size);
  }
  return true;
}

}  // namespace tsrun
