#include "added_tokens.hpp"

#include "tsrun/core/text.hpp"
#include "utf8.hpp"
#include "vocabulary.hpp"

namespace tsrun {
namespace {

// Letters, marks, digits, and signs that join words.
constexpr std::string_view word_characters = R"([\p{L}\p{Nl}\p{M}\p{Nd}\p{Pc}])";

std::size_t character_before(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && continues_character(text[at]));
  return at;
}

std::size_t before_space(std::string_view text, std::size_t from, std::size_t at) {
  while (at > from) {
    const std::size_t before = character_before(text, at);
    std::size_t next = before;
    if (!is_white_space(next_point(text, next))) break;
    at = before;
  }
  return at;
}

std::size_t behind_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t next = at;
    if (!is_white_space(next_point(text, next))) break;
    at = next;
  }
  return at;
}

bool is_written_out(TokenType type) {
  return type == TokenType::control || type == TokenType::unknown || type == TokenType::user_defined;
}

}  // namespace

AddedTokens::AddedTokens(const TokenizerData& data, bool in_normalized_text, const TextSteps& normalizer,
                         const std::string& where)
    : word_(word_characters, where) {
  for (const AddedToken& token : data.added) flags_.emplace(token.id, token);
  std::unordered_map<std::string, std::int32_t> id_of;
  const std::size_t first = data.kind == TokenizerKind::bytes ? 256 : 0;
  is_user_defined_.resize(data.tokens.size());
  for (std::size_t i = first; i < data.tokens.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const auto flags = flags_.find(id);
    const bool normalized = flags != flags_.end() && flags->second.normalized;
    is_user_defined_[i] = data.types[i] == TokenType::user_defined;
    if (!is_written_out(data.types[i]) || data.tokens[i].empty() || normalized != in_normalized_text) continue;
    if (invalid_utf8(data.tokens[i]))
      contradiction("the text of a special token is not valid UTF-8", where, {{"id", std::int64_t{id}}});
    std::string text = normalized ? normalizer.joined(data.tokens[i], true) : data.tokens[i];
    const auto [other, is_new] = id_of.emplace(std::move(text), id);
    if (!is_new)
      contradiction("two special tokens have the text \"" + printable(other->first) + "\"", where,
                    {{"id", std::int64_t{other->second}}, {"again", std::int64_t{id}}});
  }
  trie_ = Trie({id_of.begin(), id_of.end()});
}

AddedTokens::Found AddedTokens::longest_at(std::string_view text, std::size_t at, bool parse_control) const {
  Found longest{at, at, -1};
  trie_.match(text, at, [&](std::size_t length, std::int32_t id) {
    if (parse_control || is_user_defined_[static_cast<std::size_t>(id)]) longest = {at, at + length, id};
  });
  return longest;
}

bool AddedTokens::touches_word(std::string_view text, const Found& found) const {
  const auto is_word = [this](std::string_view character) {
    bool matches = false;
    word_.walk(character, [&matches](std::string_view, bool matched) { matches = matched; });
    return matches;
  };
  if (found.begin > 0) {
    const std::size_t before = character_before(text, found.begin);
    if (is_word(text.substr(before, found.begin - before))) return true;
  }
  return found.end < text.size() && is_word(text.substr(found.end, character_size(text[found.end])));
}

void AddedTokens::cut(std::string_view text, bool parse_control, const Part& part) const {
  std::size_t plain = 0;  // where the text not yet given on begins
  for (std::size_t at = 0; at < text.size();) {
    Found found = longest_at(text, at, parse_control);
    at = found.id < 0 ? at + 1 : found.end;
    if (found.id < 0) continue;
    const auto entry = flags_.find(found.id);
    const AddedToken flags = entry != flags_.end() ? entry->second : AddedToken{};
    if (flags.whole_word && touches_word(text, found)) continue;
    if (flags.takes_space_before) found.begin = before_space(text, plain, found.begin);
    if (flags.takes_space_behind) at = found.end = behind_space(text, found.end);
    if (found.begin > plain) part(text.substr(plain, found.begin - plain), -1);
    part(text.substr(found.begin, found.end - found.begin), found.id);
    plain = found.end;
  }
  if (plain < text.size()) part(text.substr(plain), -1);
}

}  // namespace tsrun
