#include "tsrun/tokenizer/tokenizer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "added_tokens.hpp"
#include "letters.hpp"
#include "text_model.hpp"
#include "text_steps.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "vocabulary.hpp"

namespace tsrun {
namespace {

std::int64_t number(std::size_t n) { return static_cast<std::int64_t>(n); }

void require(bool holds, const std::string& what, const std::string& where, Numbers numbers) {
  if (!holds) contradiction(what, where, std::move(numbers));
}

void validate_ids(const TokenizerData& d, bool nameless, const std::string& where) {
  const auto tokens = number(d.tokens.size());
  std::vector<std::int32_t> ids = d.ends;
  for (const auto& id : {d.bos, d.eos, d.unknown, d.pad})
    if (id) ids.push_back(*id);
  for (const std::int32_t id : ids)
    require(id >= 0 && (nameless || id < tokens), "a special id of the tokenizer is outside its vocabulary", where,
            {{"id", std::int64_t{id}}, {"tokens", tokens}});
  for (const AddedToken& token : d.added)
    require(token.id >= 0 && token.id < tokens && d.kind != TokenizerKind::bytes,
            "an added token is outside the tokenizer's vocabulary", where,
            {{"id", std::int64_t{token.id}}, {"tokens", tokens}});
  const Numbers size = {{"tokens", tokens}};
  require(!d.add_bos || d.bos, "the tokenizer adds a beginning of text (BOS), but names none", where, size);
  require(!d.add_eos || d.eos, "the tokenizer adds an end of text (EOS), but names none", where, size);
}

void validate(const TokenizerData& d, const std::string& where) {
  const auto tokens = number(d.tokens.size());
  require(d.types.size() == d.tokens.size(), "the tokenizer has another number of token types than of tokens", where,
          {{"types", number(d.types.size())}, {"tokens", tokens}});
  const bool nameless = d.kind == TokenizerKind::bytes && tokens == 0;  // ids of raw bytes need no names
  if (d.kind != TokenizerKind::bytes) require(tokens > 0, "the tokenizer has no tokens", where, {{"tokens", tokens}});
  else require(nameless || tokens >= 256, "the tokenizer of raw bytes has fewer tokens than bytes", where,
               {{"tokens", tokens}, {"bytes", 256}});
  const auto scores = number(d.scores.size());
  require(scores == tokens || (scores == 0 && d.kind != TokenizerKind::unigram),
          "the tokenizer has another number of scores than of tokens", where, {{"scores", scores}, {"tokens", tokens}});
  require(std::all_of(d.scores.begin(), d.scores.end(), [](double s) { return std::isfinite(s); }),
          "a score of the tokenizer is not a number", where, {{"scores", scores}});
  validate_ids(d, nameless, where);
}

// The byte of a token <0x0A>.
std::string byte_of_name(const std::string& name) {
  unsigned byte = 0;
  if (name.size() == 6 && name.starts_with("<0x") && name.back() == '>' &&
      std::from_chars(&name[3], &name[5], byte, 16).ptr == &name[5])
    return {static_cast<char>(byte)};
  return name;
}

std::string with_spaces(std::string text) {
  for (std::size_t at = 0; (at = text.find(space_sign, at)) != std::string::npos; ++at)
    text.replace(at, space_sign.size(), " ");
  return text;
}

// In a normalized text the character may have come from others, and has no place in the text then.
[[noreturn]] void refuse_character(const std::string& character, std::string_view text, std::size_t from) {
  constexpr char digits[] = "0123456789abcdef";
  std::string bytes;
  for (const char c : character) {
    const auto byte = static_cast<unsigned char>(c);
    bytes += {' ', digits[byte >> 4U], digits[byte & 15U]};
  }
  Numbers place;
  const std::size_t at = text.find(character, from);
  if (at != std::string_view::npos) place = {{"byte offset", number(at)}};
  refuse({.what = "the model's vocabulary has no token for the character of the bytes" + bytes,
          .where = "the text to encode", .numbers = std::move(place), .next = "leave the character out"});
}

}  // namespace

struct Tokenizer::State {
  State(const TokenizerData& d, const std::string& where)
      : data(d),
        normalizer(d.normalizer, where),
        pre_tokenizer(d.pre_tokenizer, where),
        added(d, false, normalizer, where),
        added_normalized(d, true, normalizer, where),
        model(d.kind == TokenizerKind::bytes ? nullptr : text_model_of(d, where)) {}

  bool is_hidden(std::int32_t id) const {
    if (id >= std::ssize(data.tokens)) return false;
    const TokenType type = data.types[static_cast<std::size_t>(id)];
    return type == TokenType::control || type == TokenType::unknown;
  }
  void refuse_what_no_text_is(std::string_view text) const;
  void encode_between(std::string_view text, bool at_beginning, bool parse_control,
                      std::vector<std::int32_t>& ids) const;
  void encode_pieces(std::string_view text, bool at_beginning, std::vector<std::int32_t>& ids) const {
    pre_tokenizer.run(text, at_beginning, [&](std::string_view piece) { model->encode(piece, ids); });
  }

  TokenizerData data;
  TextSteps normalizer, pre_tokenizer;
  AddedTokens added, added_normalized;
  std::unique_ptr<const TextModel> model;  // none of raw bytes
};

// The whole text is checked before anything is cut out of it, so that the offset is one of the caller's text.
void Tokenizer::State::refuse_what_no_text_is(std::string_view text) const {
  constexpr std::int64_t longest = std::numeric_limits<std::int32_t>::max();
  if (number(text.size()) > longest)
    refuse({.what = "the text is too long to encode at once", .where = "the text to encode",
            .numbers = {{"bytes", number(text.size())}, {"longest", longest}},
            .next = "split the text into shorter prompts"});
  const auto invalid = model ? invalid_utf8(text) : std::nullopt;
  if (invalid)
    refuse({.what = "the text is not valid UTF-8", .where = "the text to encode",
            .numbers = {{"byte offset", number(*invalid)}}, .next = "convert it to UTF-8"});
}

// Of what stands between added tokens that are found in the text as it is.
void Tokenizer::State::encode_between(std::string_view text, bool at_beginning, bool parse_control,
                                      std::vector<std::int32_t>& ids) const {
  if (!model) {
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return;
  }
  const std::string other = normalizer.none() ? std::string() : normalizer.joined(text, at_beginning);
  const std::string_view normalized = normalizer.none() ? text : other;
  added_normalized.cut(normalized, parse_control, [&](std::string_view part, std::int32_t id) {
    if (id >= 0) ids.push_back(id);
    else encode_pieces(part, at_beginning && part.data() == normalized.data(), ids);
  });
}

Tokenizer::Tokenizer(const TokenizerData& data, const std::string& where) {
  check(data.kind != TokenizerKind::none, "a tokenizer is built from the data of one");
  validate(data, where);
  state_ = std::make_unique<State>(data, where);
}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, Tokenizer::Special special, bool bos_eos) const {
  const TokenizerData& d = state_->data;
  state_->refuse_what_no_text_is(text);
  std::vector<std::int32_t> ids;
  if (bos_eos && d.add_bos) ids.push_back(*d.bos);
  const bool parse_control = special == Special::parse;
  state_->added.cut(text, parse_control, [&](std::string_view part, std::int32_t id) {
    if (id >= 0) return ids.push_back(id);
    try {
      state_->encode_between(part, part.data() == text.data(), parse_control, ids);
    } catch (const LackedCharacter& lacked) {
      refuse_character(lacked.bytes, text, static_cast<std::size_t>(part.data() - text.data()));
    }
  });
  if (bos_eos && d.add_eos) ids.push_back(*d.eos);
  return ids;
}

std::string Tokenizer::token_bytes(std::int32_t id, bool show_special) const {
  const TokenizerData& d = state_->data;
  if (d.kind == TokenizerKind::bytes && id >= 0 && id < 256) return {static_cast<char>(id)};
  if (id < 0 || id >= std::ssize(d.tokens)) return {};
  const auto i = static_cast<std::size_t>(id);
  const TokenType type = d.types[i];
  if (state_->is_hidden(id)) return show_special ? d.tokens[i] : std::string();
  if (d.kind == TokenizerKind::sentencepiece || d.kind == TokenizerKind::unigram)
    return type == TokenType::byte ? byte_of_name(d.tokens[i]) : with_spaces(d.tokens[i]);
  std::string bytes;
  const bool as_written = type == TokenType::user_defined || d.kind == TokenizerKind::bytes;
  return as_written || !bytes_of_token(d.tokens[i], bytes) ? d.tokens[i] : bytes;
}

std::string Tokenizer::decode(const std::vector<std::int32_t>& ids, bool show_special) const {
  std::string bytes;
  bool at_beginning = state_->data.drop_first_space;
  for (const std::int32_t id : ids) {
    std::string token = token_bytes(id, show_special);
    if (!token.empty() && at_beginning) {
      if (token.starts_with(' ')) token.erase(0, 1);
      at_beginning = false;
    }
    bytes += token;
  }
  return bytes;
}

}  // namespace tsrun
