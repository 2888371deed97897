#include "gguf_tokenizer.hpp"

#include <algorithm>
#include <cmath>

#include "cursor.hpp"
#include "end_tokens.hpp"
#include "sentencepiece.hpp"
#include "text_habits.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

class VocabularyReader {
 public:
  VocabularyReader(const Gguf& file, std::int64_t size) : file_(file), size_(size) {}

  TokenizerData read() {
    read_kind();
    if (data_.kind != TokenizerKind::none) read_tokens();
    data_.bos = id("tokenizer.ggml.bos_token_id");
    data_.eos = id("tokenizer.ggml.eos_token_id");
    data_.unknown = id("tokenizer.ggml.unknown_token_id");
    data_.pad = id("tokenizer.ggml.padding_token_id");
    data_.add_bos = file_.boolean("tokenizer.ggml.add_bos_token").value_or(data_.add_bos);
    data_.add_eos = file_.boolean("tokenizer.ggml.add_eos_token").value_or(false);
    data_.chat_template = file_.string("tokenizer.chat_template").value_or("");
    read_ends();
    return std::move(data_);
  }

 private:
  void none(std::string reason) {
    data_ = TokenizerData{};
    data_.reason = std::move(reason);
  }
  void read_kind();
  void read_bpe();
  void read_sentencepiece();
  void read_scores();
  void read_flags();
  void read_tokens();
  void read_types();
  void read_ends();
  std::optional<std::int32_t> id(std::string_view key) const;
  [[noreturn]] void contradiction(std::string what, Numbers numbers) const {
    refuse({.what = std::move(what), .where = file_.where(), .numbers = std::move(numbers),
            .next = "the file is damaged; fetch it again or convert the model again"});
  }

  const Gguf& file_;
  std::int64_t size_;
  TokenizerData data_;
};

void VocabularyReader::read_kind() {
  const auto model = file_.string("tokenizer.ggml.model");
  if (!model) return none("the file carries no tokenizer");
  if (*model == "bytes") {
    if (size_ < 256) return none("the vocabulary is too small for a tokenizer of bytes");
    data_.kind = TokenizerKind::bytes;
  } else if (*model == "gpt2") {
    read_bpe();
  } else if (*model == "llama") {
    read_sentencepiece();
  } else {
    none(text("tokenizers of kind \"", printable(*model), "\" are not read yet"));
  }
}

void VocabularyReader::read_bpe() {
  const auto pre = file_.string("tokenizer.ggml.pre");
  if (!pre) return none("the file does not say how its tokenizer cuts text into pieces (tokenizer.ggml.pre)");
  const TextHabits* const known = text_habits_of(*pre);
  if (!known) return none(text("the tokenizer's pattern \"", printable(*pre), "\" is not known"));
  if (!file_.has("tokenizer.ggml.tokens") || !file_.has("tokenizer.ggml.merges"))
    return none("the file carries a tokenizer without its tokens or merges");
  data_.kind = TokenizerKind::bpe;
  data_.pre_tokenizer = known->pre_tokenizer;
  if (known->composes) data_.normalizer.push_back({.kind = TextStep::Kind::nfc});
  data_.ignore_merges = known->ignore_merges;
  data_.add_bos = known->add_bos;
  data_.merges = *file_.strings("tokenizer.ggml.merges");
}

// SentencePiece's BPE: merges follow from the scores.
void VocabularyReader::read_sentencepiece() {
  if (!file_.has("tokenizer.ggml.tokens") || !file_.has("tokenizer.ggml.scores"))
    return none("the file carries a tokenizer without its tokens or scores");
  data_.kind = TokenizerKind::sentencepiece;
  data_.byte_fallback = data_.fuse_unknown = data_.add_bos = true;
  data_.drop_first_space = file_.boolean("tokenizer.ggml.add_space_prefix").value_or(true);
  data_.normalizer = sentencepiece_steps(data_.drop_first_space);
}

// A byte tokenizer may come without a list: its ids mean themselves.
void VocabularyReader::read_tokens() {
  auto tokens = file_.strings("tokenizer.ggml.tokens");
  if (!tokens) return;
  data_.tokens = std::move(*tokens);
  const auto count = static_cast<std::int64_t>(data_.tokens.size());
  if (count < size_)
    contradiction("the tokenizer has fewer tokens than the model", {{"tokens", count}, {"vocabulary", size_}});
  read_types();
  if (data_.kind != TokenizerKind::sentencepiece) return;
  read_scores();
  read_flags();
}

void VocabularyReader::read_scores() {
  const auto* const scores = std::get_if<GgufArray>(&file_.values().find("tokenizer.ggml.scores")->second);
  if (!scores || scores->of != GgufKind::f32)
    contradiction("tokenizer.ggml.scores is not a list of numbers (f32)", {{"tokens", number(data_.tokens.size())}});
  if (scores->count != data_.tokens.size())
    contradiction("the tokenizer has another number of scores than tokens",
                  {{"scores", number(scores->count)}, {"tokens", number(data_.tokens.size())}});
  Cursor cursor(file_.bytes(), scores->offset);
  for (std::uint64_t i = 0; i < scores->count; ++i) {
    data_.scores.push_back(cursor.take<float>("the scores"));
    if (!std::isfinite(data_.scores.back()))
      contradiction("the score of a token is not a number", {{"token", number(i)}});
  }
}

// Phi-3's control tokens take the line's end behind them, of which only its tokenizer.json speaks.
void VocabularyReader::read_flags() {
  if (file_.string("general.architecture") != "phi3") return;
  constexpr std::string_view plain[] = {"<unk>", "<s>", "<|endoftext|>"};
  for (std::size_t i = 0; i < data_.types.size(); ++i) {
    const bool is_plain = std::find(std::begin(plain), std::end(plain), data_.tokens[i]) != std::end(plain);
    if (data_.types[i] == TokenType::control && !is_plain)
      data_.added.push_back({.id = static_cast<std::int32_t>(i), .takes_space_behind = true});
  }
}

void VocabularyReader::read_types() {
  data_.types.assign(data_.tokens.size(), TokenType::normal);
  const auto types = file_.integers("tokenizer.ggml.token_type");
  if (!types) return;
  if (types->size() != data_.tokens.size())
    contradiction("the tokenizer has another number of token types than tokens",
                  {{"types", number(types->size())}, {"tokens", number(data_.tokens.size())}});
  for (std::size_t i = 0; i < types->size(); ++i) {
    const std::int64_t type = (*types)[i];  // 1 is normal, 6 a byte
    if (type < 1 || type > 6)
      contradiction("a token is of an unknown type", {{"token", number(i)}, {"type", type}});
    data_.types[i] = static_cast<TokenType>(type - 1);
  }
}

void VocabularyReader::read_ends() {
  std::vector<std::int32_t> others;
  for (const char* const key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"})
    if (const auto end = id(key)) others.push_back(*end);
  gather_ends(data_, others);
}

std::optional<std::int32_t> VocabularyReader::id(std::string_view key) const {
  const auto value = file_.integer(key);
  if (!value) return std::nullopt;
  if (*value >= size_)
    contradiction(text("the token of ", key, " is outside the vocabulary"), {{"id", *value}, {"vocabulary", size_}});
  return static_cast<std::int32_t>(*value);
}

}  // namespace

TokenizerData read_vocabulary(const Gguf& file, std::int64_t vocabulary) {
  return VocabularyReader(file, vocabulary).read();
}

}  // namespace tsrun
