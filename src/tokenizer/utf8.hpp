// UTF-8 character by character: how long one is, which code point it is, and back; and which points are white space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tsrun {

constexpr bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

// Bytes of the character that begins with `lead`, in valid UTF-8.
constexpr std::size_t character_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

// Unicode's property White_Space.
bool is_white_space(char32_t point);

// The code point at `at` of valid UTF-8; `at` goes behind it.
char32_t next_point(std::string_view text, std::size_t& at);
void append_point(std::string& text, char32_t point);

}  // namespace tsrun
