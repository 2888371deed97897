#include "letters.hpp"

#include <array>

namespace tsrun {
namespace {

// Bytes that are printable in Latin-1 stand for themselves; the others are numbered from U+0100.
constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::array<unsigned, 256> alphabet = [] {
  std::array<unsigned, 256> letters{};
  unsigned next = 256;
  for (unsigned b = 0; b < 256; ++b) letters[b] = stands_for_itself(b) ? b : next++;
  return letters;
}();

// The byte of each letter below U+0144, -1 where there is none.
constexpr std::array<int, 324> byte_of = [] {
  std::array<int, 324> bytes{};
  bytes.fill(-1);
  for (unsigned b = 0; b < 256; ++b) bytes[alphabet[b]] = static_cast<int>(b);
  return bytes;
}();

}  // namespace

std::string letter_of_byte(unsigned char byte) {
  const unsigned letter = alphabet[byte];
  if (letter < 0x80) return {static_cast<char>(letter)};
  return {static_cast<char>(0xc0U | letter >> 6), static_cast<char>(0x80U | (letter & 0x3fU))};
}

bool bytes_of_token(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    unsigned letter = c;
    if (c >= 0xc2 && c <= 0xc5 && i + 1 < text.size()) {
      letter = (c & 0x1fU) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fU);
    } else if (c >= 0x80) {
      return false;
    }
    if (letter >= byte_of.size() || byte_of[letter] < 0) return false;
    bytes += static_cast<char>(byte_of[letter]);
  }
  return true;
}

}  // namespace tsrun
