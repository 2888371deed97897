#include "vocabulary.hpp"

#include <algorithm>
#include <iterator>

#include "tsrun/core/text.hpp"

namespace tsrun {

void contradiction(std::string what, const std::string& where, Numbers numbers) {
  refuse({.what = std::move(what), .where = where, .numbers = std::move(numbers),
          .next = "convert the model again from an undamaged file"});
}

IdOf ids_by_text(const TokenizerData& data, const std::string& where) {
  IdOf id_of;
  id_of.reserve(data.tokens.size());
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    if (data.types[i] == TokenType::unused && data.tokens[i].empty()) continue;
    const auto [first, is_new] = id_of.emplace(data.tokens[i], static_cast<std::int32_t>(i));
    if (!is_new && data.types[i] != TokenType::unused)
      contradiction(text("two tokens have the text \"", printable(data.tokens[i]), "\""), where,
                    {{"id", std::int64_t{first->second}}, {"again", static_cast<std::int64_t>(i)}});
  }
  return id_of;
}

std::array<std::int32_t, 256> byte_tokens(const IdOf& id_of) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::array<std::int32_t, 256> ids{};
  for (unsigned b = 0; b < 256; ++b) {
    const std::string name = {'<', '0', 'x', digits[b >> 4U], digits[b & 15U], '>'};
    const auto found = id_of.find(name);
    ids[b] = found != id_of.end() ? found->second : -1;
  }
  return ids;
}

bool append_bytes(std::string_view text, const std::array<std::int32_t, 256>& of_byte, std::vector<std::int32_t>& ids) {
  const auto id = [&of_byte](char byte) { return of_byte[static_cast<unsigned char>(byte)]; };
  if (std::any_of(text.begin(), text.end(), [&](char byte) { return id(byte) < 0; })) return false;
  std::transform(text.begin(), text.end(), std::back_inserter(ids), id);
  return true;
}

std::int32_t unknown_token(const TokenizerData& data) {
  if (!data.unknown || data.types[static_cast<std::size_t>(*data.unknown)] == TokenType::control) return -1;
  return *data.unknown;
}

}  // namespace tsrun
