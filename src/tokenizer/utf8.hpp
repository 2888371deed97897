// UTF-8 character by character: how long one is, which code point it is, and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tsrun {

constexpr bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

// Bytes of the character that begins with `lead`, in valid UTF-8.
constexpr std::size_t character_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

// The code point at `at` of valid UTF-8; `at` goes behind it.
char32_t next_point(std::string_view text, std::size_t& at);
void append_point(std::string& text, char32_t point);

// Short and safe on any terminal, whatever the bytes are: for messages.
std::string shown(std::string_view text);

// The offset of the first byte that is not of a whole, shortest-form character up to U+10FFFF, surrogates left out.
std::optional<std::size_t> invalid_utf8(std::string_view text);

}  // namespace tsrun
