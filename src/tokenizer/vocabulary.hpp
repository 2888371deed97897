// The vocabulary by text: which id a text has, and the refusals of one that contradicts itself.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

using IdOf = std::unordered_map<std::string_view, std::int32_t>;  // the texts are those of the data

// Tokens that are not in use may repeat a filler text; any other text that two tokens have is refused.
IdOf ids_by_text(const TokenizerData& data, const std::string& where);

// The tokens <0x00>..<0xFF>, -1 for those that are not there.
std::array<std::int32_t, 256> byte_tokens(const IdOf& id_of);

// Appends the tokens of the bytes of a text; nothing, and false, if one of them has none. Gemma 2 has 255: what would
// be <0x09> is the character itself.
bool append_bytes(std::string_view text, const std::array<std::int32_t, 256>& of_byte, std::vector<std::int32_t>& ids);

// The token for what the vocabulary lacks, -1 if there is none. A control token would be read as an order.
std::int32_t unknown_token(const TokenizerData& data);

// Thrown for a character that becomes no token; whoever knows the whole text says where it stands.
struct LackedCharacter {
  std::string bytes;
};

[[noreturn]] void contradiction(std::string what, const std::string& where, Numbers numbers);

}  // namespace tsrun
