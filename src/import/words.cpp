#include "words.hpp"

#include <algorithm>
#include <cstdint>

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
  for (std::size_t i = 0; i < raw.size();) {
    const auto lead = static_cast<unsigned char>(raw[i++]);
    if (lead < 0x80) continue;
    if (lead < 0xc0 || lead >= 0xf8) return false;
    const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    std::uint32_t point = lead & (0x3fU >> more);
    for (int j = 0; j < more; ++j, ++i) {
      if (i == raw.size() || (static_cast<unsigned char>(raw[i]) & 0xc0U) != 0x80U) return false;
      point = point << 6 | (static_cast<unsigned char>(raw[i]) & 0x3fU);
    }
    constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return false;
  }
  return true;
}

}  // namespace tsrun
