// A tokenizer as data: what a model file carries, before anything is built from it.
//
// `import` fills it, `store` keeps it, `tokenizer` builds from it. A text goes through it as through Hugging Face's
// tokenizers: added tokens are cut out of it, the rest is normalized, cut into pieces, and each piece becomes ids.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tsrun {

// none: the file serves ids only. bytes: ids 0..255 are bytes, above are special tokens. bpe: byte-level BPE, whose
// token texts are written in GPT-2's printable byte alphabet. sentencepiece: BPE over characters, whose token texts
// have U+2581 for a space; characters without a token fall back to byte tokens. unigram: the same texts, but the most
// probable division instead of merges.
enum class TokenizerKind : std::uint8_t { none, bytes, bpe, sentencepiece, unigram };
// As the file format and reports have it: "bpe".
std::string_view word(TokenizerKind);
// False, and nothing changed, if the word names no value.
bool from_word(std::string_view word, TokenizerKind& out);

// What stands for a space in the token texts of sentencepiece and unigram.
inline constexpr std::string_view space_sign = "\u2581";

// In GGUF's order; there they count from 1.
enum class TokenType : std::uint8_t { normal, unknown, control, user_defined, unused, byte };

// One step in the preparation of a text.
//   nfc          Unicode's canonical composition
//   prepend      `text` before the whole, unless it is empty
//   lead         `text` before each piece that does not begin with it
//   lead_first   the same, only at the very beginning of the text
//   replace      every `text` by `other`
//   split        into pieces: `text` is a pattern in Oniguruma's syntax, `matches` what becomes of its matches
//   letters      from here on patterns see each byte as a letter of GPT-2's alphabet
struct TextStep {
  enum class Kind : std::uint8_t { nfc, prepend, lead, lead_first, replace, split, letters };
  // A match is a piece of its own, is dropped, goes with the piece before or behind it, or with neighbouring matches;
  // `inverted` where all this is about what lies between the matches.
  enum class Matches : std::uint8_t { isolated, removed, with_previous, with_next, together };
  Kind kind = Kind::split;
  std::string text{}, other{};
  Matches matches = Matches::isolated;
  bool inverted = false;
  friend bool operator==(const TextStep&, const TextStep&) = default;
};

// How a token that is written out in a text is found: in the text as it is or normalized; with the white space before
// or behind it; only where no letter or digit touches it.
struct AddedToken {
  std::int32_t id = 0;
  bool normalized = false, takes_space_before = false, takes_space_behind = false, whole_word = false;
  friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

struct TokenizerData {
  TokenizerKind kind = TokenizerKind::none;
  std::string reason;                   // kind none: why, for the message ("WordPiece is not read yet")
  std::vector<std::string> tokens;      // by id
  std::vector<TokenType> types;         // by id, as many as tokens
  std::vector<std::string> merges;      // "left right", by rank
  std::vector<double> scores;           // by id, or none: log probabilities; of sentencepiece in place of merges
  std::vector<TextStep> normalizer;     // of text between added tokens
  std::vector<TextStep> pre_tokenizer;  // of text between added tokens that are found in normalized text
  std::vector<AddedToken> added;        // those control and user-defined tokens that have a flag
  std::optional<std::int32_t> bos, eos, unknown, pad;
  std::vector<std::int32_t> ends;       // every id that ends a text, eos included
  bool add_bos = false;
  bool add_eos = false;
  bool ignore_merges = false;           // a piece that is a whole token is taken as it is (Llama 3)
  bool byte_fallback = false;           // a character without a token becomes its bytes' tokens <0x00>..<0xFF>
  bool fuse_unknown = false;            // neighbouring characters without a token are one unknown token
  bool drop_first_space = false;        // in decoding: the space that stands before every text
  std::string chat_template;            // Jinja, as the model's authors wrote it
  bool is_end(std::int32_t id) const { return std::find(ends.begin(), ends.end(), id) != ends.end(); }
  friend bool operator==(const TokenizerData&, const TokenizerData&) = default;
};

}  // namespace tsrun
