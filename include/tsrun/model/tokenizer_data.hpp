// A tokenizer as data: what a model file carries, before anything is built from it.
//
// `import` fills it, `store` keeps it, `tokenizer` builds from it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tsrun {

// none: the file serves ids only. bytes: ids 0..255 are bytes, above are special tokens. bpe: byte-level BPE, whose
// token texts are written in GPT-2's printable byte alphabet.
enum class TokenizerKind : std::uint8_t { none, bytes, bpe };
enum class TokenType : std::uint8_t { normal, unknown, control, user_defined, unused, byte };  // as in GGUF

struct TokenizerData {
  TokenizerKind kind = TokenizerKind::none;
  std::string reason;                // kind none: why, for the message ("SentencePiece is not read yet")
  std::string pattern;               // name of the pre-tokenizer pattern: gpt2, smollm, llama3
  std::vector<std::string> tokens;   // by id
  std::vector<TokenType> types;      // by id, as many as tokens
  std::vector<std::string> merges;   // "left right", by rank
  std::optional<std::int32_t> bos, eos, unknown, pad;
  std::vector<std::int32_t> ends;    // every id that ends a text, eos included
  bool add_bos = false;
  bool add_eos = false;
  bool ignore_merges = false;        // a piece that is a whole token is taken as it is (Llama 3)
  std::string chat_template;
  friend bool operator==(const TokenizerData&, const TokenizerData&) = default;
};

}  // namespace tsrun
