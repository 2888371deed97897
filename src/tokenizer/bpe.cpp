#include "bpe.hpp"

#include "letters.hpp"
#include "utf8.hpp"

namespace tsrun {

void Bpe::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (!whole_.empty()) {
    const auto found = whole_.find(piece);
    if (found != whole_.end()) return ids.push_back(found->second);
  }
  const std::size_t from = ids.size();
  begin(piece, ids);
  merges_.run(ids, from);
}

ByteLevelBpe::ByteLevelBpe(const TokenizerData& data, const IdOf& id_of, const std::string& where)
    : Bpe(data, id_of, where) {
  for (unsigned b = 0; b < 256; ++b) {
    const auto found = id_of.find(letter_of_byte(static_cast<unsigned char>(b)));
    of_byte_[b] = found != id_of.end() ? found->second : unknown_;
  }
  if (!data.ignore_merges) return;
  std::string bytes;
  for (std::size_t i = 0; i < data.tokens.size(); ++i)
    if (data.types[i] == TokenType::normal && bytes_of_token(data.tokens[i], bytes))
      add_whole(bytes, static_cast<std::int32_t>(i));
}

void ByteLevelBpe::begin(std::string_view piece, std::vector<std::int32_t>& ids) const {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const std::int32_t id = of_byte_[static_cast<unsigned char>(piece[i])];
    if (id < 0) {
      std::size_t first = i, end = i + 1;
      while (first > 0 && continues_character(piece[first])) --first;
      while (end < piece.size() && continues_character(piece[end])) ++end;
      throw LackedCharacter{std::string(piece.substr(first, end - first))};
    }
    ids.push_back(id);
  }
}

CharacterBpe::CharacterBpe(const TokenizerData& data, const IdOf& id_of, const std::string& where)
    : Bpe(data, id_of, where),
      of_byte_(byte_tokens(id_of)),
      byte_fallback_(data.byte_fallback),
      fuse_unknown_(data.fuse_unknown) {
  for (const auto& [text, id] : id_of) {
    const TokenType type = data.types[static_cast<std::size_t>(id)];
    if (type == TokenType::control || type == TokenType::unknown || type == TokenType::byte) continue;
    std::size_t at = 0;
    if (!text.empty() && character_size(text[0]) == text.size()) of_character_.emplace(next_point(text, at), id);
    if (data.ignore_merges && !text.empty()) add_whole(std::string(text), id);
  }
}

void CharacterBpe::begin(std::string_view piece, std::vector<std::int32_t>& ids) const {
  const std::size_t from = ids.size();
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t first = at;
    const auto found = of_character_.find(next_point(piece, at));
    const std::string_view bytes = piece.substr(first, at - first);
    if (found != of_character_.end()) {
      ids.push_back(found->second);
    } else if (byte_fallback_ && append_bytes(bytes, of_byte_, ids)) {
      continue;
    } else if (unknown_ < 0) {
      throw LackedCharacter{std::string(bytes)};
    } else if (!fuse_unknown_ || ids.size() == from || ids.back() != unknown_) {
      ids.push_back(unknown_);
    }
  }
}

}  // namespace tsrun
