// Text to token ids and back.
//
// Built once from a model's TokenizerData. Four kinds: raw bytes, byte-level BPE, and SentencePiece's BPE and unigram.
// The ids are those of Hugging Face's `tokenizers`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

class Tokenizer {
 public:
  // Refuses (exit 2) data that contradicts itself or a pattern that cannot be read, naming it. `where` names the file.
  Tokenizer(const TokenizerData& data, const std::string& where);
  Tokenizer(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Control tokens written in the text ("<|im_start|>") become their ids when `special` says so, user-defined ones
  // always; BOS and EOS are added by the model's rule when `bos_eos` says so. Of tokens that begin at one place the
  // longest is taken.
  //
  // But for raw bytes, refuses invalid UTF-8, naming the byte offset, and a character that the vocabulary lacks
  // (SmolLM2 lacks U+0004, U+0006, U+0013, U+0014, U+0016, U+001D), unless the model has an unknown token that is no
  // control token. decode(encode(text), true) is the text again, as far as the model's normalizer keeps it and has no
  // unknown tokens.
  enum class Special : std::uint8_t { parse, as_text };
  std::vector<std::int32_t> encode(std::string_view text, Special special = Special::parse, bool bos_eos = true) const;

  // The bytes of one token, whole or not a whole character. Control tokens give nothing unless `show_special`.
  std::string token_bytes(std::int32_t id, bool show_special = false) const;
  std::string decode(const std::vector<std::int32_t>& ids, bool show_special = false) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

// Passes on only whole UTF-8 characters: bytes of an unfinished one wait for the next token. A sequence that can no
// longer become a character is replaced by U+FFFD at once.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();  // what is left, an unfinished character as U+FFFD

 private:
  std::string waiting_;
};

}  // namespace tsrun
