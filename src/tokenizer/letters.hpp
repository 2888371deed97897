// GPT-2's alphabet: every byte as a printable character, so that token texts can be written down.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tsrun {

std::string letter_of_byte(unsigned char byte);
// The text of a token back to its bytes; false if a character is not of the alphabet.
bool bytes_of_token(std::string_view text, std::string& bytes);

}  // namespace tsrun
