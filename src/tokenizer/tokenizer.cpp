#include "tsrun/tokenizer/tokenizer.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "bpe.hpp"
#include "pattern.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

struct SpecialToken {
  std::string text;
  std::int32_t id;
};

void require(bool holds, const std::string& what, const std::string& where, Numbers numbers) {
  if (!holds)
    refuse({.what = what, .where = where, .numbers = std::move(numbers),
            .next = "convert the model again from an undamaged file"});
}

void validate(const TokenizerData& d, const std::string& where) {
  const auto tokens = static_cast<std::int64_t>(d.tokens.size());
  require(d.types.size() == d.tokens.size(), "the tokenizer has another number of token types than of tokens", where,
          {{"types", static_cast<std::int64_t>(d.types.size())}, {"tokens", tokens}});
  const bool nameless = d.kind == TokenizerKind::bytes && tokens == 0;  // ids of raw bytes need no names
  if (d.kind == TokenizerKind::bpe) require(tokens > 0, "the tokenizer has no tokens", where, {{"tokens", tokens}});
  else require(nameless || tokens >= 256, "the tokenizer of raw bytes has fewer tokens than bytes", where,
               {{"tokens", tokens}, {"bytes", 256}});
  std::vector<std::int32_t> ids = d.ends;
  for (const auto& id : {d.bos, d.eos, d.unknown, d.pad})
    if (id) ids.push_back(*id);
  for (const std::int32_t id : ids)
    require(id >= 0 && (nameless || id < tokens), "a special id of the tokenizer is outside its vocabulary", where,
            {{"id", std::int64_t{id}}, {"tokens", tokens}});
  const Numbers size = {{"tokens", tokens}};
  require(!d.add_bos || d.bos, "the tokenizer adds a beginning of text (BOS), but names none", where, size);
  require(!d.add_eos || d.eos, "the tokenizer adds an end of text (EOS), but names none", where, size);
}

bool is_special(TokenType type) { return type == TokenType::control || type == TokenType::user_defined; }

bool longer_first(const SpecialToken& a, const SpecialToken& b) {
  return a.text.size() != b.text.size() ? a.text.size() > b.text.size() : a.text < b.text;
}

}  // namespace

struct Tokenizer::State {
  TokenizerData data;
  std::optional<Pattern> pattern;  // of bpe
  std::optional<Bpe> bpe;
  std::vector<SpecialToken> special[256];  // by first byte, longest first

  // The special token that begins at this place of the text.
  const SpecialToken* special_at(std::string_view text, std::size_t at) const {
    for (const SpecialToken& s : special[static_cast<unsigned char>(text[at])])
      if (text.compare(at, s.text.size(), s.text) == 0) return &s;
    return nullptr;
  }
  void add_special(std::int32_t id) {
    const std::string& text = data.tokens[static_cast<std::size_t>(id)];
    special[static_cast<unsigned char>(text[0])].push_back({text, id});
  }
  void order_special(const std::string& where);
  void refuse_what_no_text_is(std::string_view text) const;
  [[noreturn]] void refuse_character(std::string_view text, std::size_t at) const;
  // text[from, from + count), which has no special tokens.
  void encode_plain(std::string_view text, std::size_t from, std::size_t count, std::vector<std::int32_t>& ids) const;
};

// Of two special tokens with one text, one would never be found; one that is not UTF-8 would cut a character in two.
void Tokenizer::State::order_special(const std::string& where) {
  for (auto& list : special) {
    std::sort(list.begin(), list.end(), longer_first);
    const auto same_text = [](const SpecialToken& a, const SpecialToken& b) { return a.text == b.text; };
    const auto same = std::adjacent_find(list.begin(), list.end(), same_text);
    if (same != list.end())
      require(false, tsrun::text("two special tokens have the text \"", same->text, "\""), where,
              {{"id", std::int64_t{same->id}}, {"again", std::int64_t{std::next(same)->id}}});
    for (const SpecialToken& s : list)
      require(!pattern || !pattern->invalid_utf8(s.text), "the text of a special token is not valid UTF-8", where,
              {{"id", std::int64_t{s.id}}});
  }
}

// The whole text is checked before anything is cut out of it, so that the offset is one of the caller's text.
void Tokenizer::State::refuse_what_no_text_is(std::string_view text) const {
  const auto bytes = static_cast<std::int64_t>(text.size());
  constexpr std::int64_t longest = std::numeric_limits<std::int32_t>::max();
  if (bytes > longest)
    refuse({.what = "the text is too long to encode at once", .where = "the text to encode",
            .numbers = {{"bytes", bytes}, {"longest", longest}}, .next = "split the text into shorter prompts"});
  const auto invalid = pattern ? pattern->invalid_utf8(text) : std::nullopt;
  if (invalid)
    refuse({.what = "the text is not valid UTF-8", .where = "the text to encode",
            .numbers = {{"byte offset", static_cast<std::int64_t>(*invalid)}}, .next = "convert it to UTF-8"});
}

// The character that has its byte `at`, for which the vocabulary has no token.
void Tokenizer::State::refuse_character(std::string_view text, std::size_t at) const {
  constexpr char digits[] = "0123456789abcdef";
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) --at;
  std::string bytes;
  for (std::size_t i = at; i == at || (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0U) == 0x80U); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    bytes += {' ', digits[byte >> 4U], digits[byte & 15U]};
  }
  refuse({.what = tsrun::text("the model's vocabulary has no token for the character of the bytes", bytes),
          .where = "the text to encode", .numbers = {{"byte offset", static_cast<std::int64_t>(at)}},
          .next = "leave the character out"});
}

void Tokenizer::State::encode_plain(std::string_view text, std::size_t from, std::size_t count,
                                    std::vector<std::int32_t>& ids) const {
  const std::string_view plain = text.substr(from, count);
  if (!bpe) {
    for (const char c : plain) ids.push_back(static_cast<unsigned char>(c));
    return;
  }
  if (const auto lacked = bpe->first_lacked(plain)) refuse_character(text, from + *lacked);
  pattern->split(plain, [&](std::string_view piece) { bpe->encode(piece, ids); });
}

Tokenizer::Tokenizer(const TokenizerData& data, const std::string& where) {
  check(data.kind != TokenizerKind::none, "a tokenizer is built from the data of one");
  validate(data, where);
  auto state = std::make_unique<State>();
  state->data = data;
  if (data.kind == TokenizerKind::bpe) {
    state->pattern.emplace(data.pattern, where);
    state->bpe.emplace(data, where);
  }
  const std::size_t first = data.kind == TokenizerKind::bytes ? 256 : 0;
  for (std::size_t id = first; id < data.tokens.size(); ++id)
    if (is_special(data.types[id]) && !data.tokens[id].empty()) state->add_special(static_cast<std::int32_t>(id));
  state->order_special(where);
  state_ = std::move(state);
}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, Tokenizer::Special special, bool bos_eos) const {
  const TokenizerData& d = state_->data;
  state_->refuse_what_no_text_is(text);
  std::vector<std::int32_t> ids;
  if (bos_eos && d.add_bos && d.bos) ids.push_back(*d.bos);
  std::size_t plain = 0;  // where the text not yet encoded begins
  for (std::size_t at = 0; special == Special::parse && at < text.size();) {
    const SpecialToken* const found = state_->special_at(text, at);
    if (found == nullptr) {
      ++at;
      continue;
    }
    state_->encode_plain(text, plain, at - plain, ids);
    ids.push_back(found->id);
    plain = at += found->text.size();
  }
  state_->encode_plain(text, plain, text.size() - plain, ids);
  if (bos_eos && d.add_eos && d.eos) ids.push_back(*d.eos);
  return ids;
}

std::string Tokenizer::token_bytes(std::int32_t id, bool show_special) const {
  const TokenizerData& d = state_->data;
  if (d.kind == TokenizerKind::bytes && id >= 0 && id < 256) return {static_cast<char>(id)};
  if (id < 0 || id >= std::ssize(d.tokens)) return {};
  const auto i = static_cast<std::size_t>(id);
  if (d.types[i] == TokenType::control) return show_special ? d.tokens[i] : std::string();
  std::string bytes;
  const bool as_written = d.types[i] == TokenType::user_defined || d.kind == TokenizerKind::bytes;
  return as_written || !bytes_of_token(d.tokens[i], bytes) ? d.tokens[i] : bytes;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids, bool show_special) const {
  std::string bytes;
  for (const std::int32_t id : ids) bytes += token_bytes(id, show_special);
  return bytes;
}

bool Tokenizer::is_end(std::int32_t id) const {
  const std::vector<std::int32_t>& ends = state_->data.ends;
  return std::find(ends.begin(), ends.end(), id) != ends.end();
}

}  // namespace tsrun
