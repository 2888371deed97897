#include "utf8.hpp"

namespace tsrun {

bool is_white_space(char32_t c) {
  return (c >= 0x9 && c <= 0xd) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

char32_t next_point(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t size = character_size(text[at]);
  char32_t point = size == 1 ? lead : lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) point = point << 6U | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
  at += size;
  return point;
}

void append_point(std::string& text, char32_t point) {
  const auto byte = [&text](char32_t value) { text += static_cast<char>(value); };
  if (point < 0x80) return byte(point);
  if (point < 0x800) {
    byte(0xc0U | point >> 6U);
  } else {
    if (point < 0x10000) {
      byte(0xe0U | point >> 12U);
    } else {
      byte(0xf0U | point >> 18U);
      byte(0x80U | (point >> 12U & 0x3fU));
    }
    byte(0x80U | (point >> 6U & 0x3fU));
  }
  byte(0x80U | (point & 0x3fU));
}

}  // namespace tsrun
