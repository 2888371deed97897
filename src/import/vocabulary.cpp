#include "vocabulary.hpp"

#include <algorithm>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

// tokenizer.ggml.pre names the pattern that cuts text into pieces, and with it a family's habits.
struct Pre {
  std::string_view name;
  std::string_view pattern;
  bool ignore_merges;
  bool add_bos;  // where the file does not say
};
constexpr Pre pres[] = {
    {"smollm", "smollm", false, false},  {"gpt-2", "gpt2", false, false},    {"default", "gpt2", false, false},
    {"qwen2", "qwen2", false, false},    {"llama-bpe", "llama3", true, true}, {"llama3", "llama3", true, true},
    {"llama-v3", "llama3", true, true},
};

// Control tokens that end a text or a turn, whatever the family.
constexpr std::string_view end_names[] = {"<|im_end|>",      "<|eot_id|>",    "<|endoftext|>",
                                          "<|end_of_text|>", "<end_of_turn>", "<|end|>"};

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
    none("SentencePiece tokenizers are not read yet");
  } else {
    none(text("tokenizers of kind \"", printable(*model), "\" are not read yet"));
  }
}

void VocabularyReader::read_bpe() {
  const auto pre = file_.string("tokenizer.ggml.pre");
  if (!pre) return none("the file does not say how its tokenizer cuts text into pieces (tokenizer.ggml.pre)");
  const auto* const known =
      std::find_if(std::begin(pres), std::end(pres), [&](const Pre& p) { return p.name == *pre; });
  if (known == std::end(pres)) return none(text("the tokenizer's pattern \"", printable(*pre), "\" is not known"));
  if (!file_.has("tokenizer.ggml.tokens") || !file_.has("tokenizer.ggml.merges"))
    return none("the file carries a tokenizer without its tokens or merges");
  data_.kind = TokenizerKind::bpe;
  data_.pattern = known->pattern;
  data_.ignore_merges = known->ignore_merges;
  data_.add_bos = known->add_bos;
  data_.merges = *file_.strings("tokenizer.ggml.merges");
}

// A byte tokenizer may come without a list: its ids mean themselves.
void VocabularyReader::read_tokens() {
  auto tokens = file_.strings("tokenizer.ggml.tokens");
  if (!tokens) return;
  data_.tokens = std::move(*tokens);
  const auto count = static_cast<std::int64_t>(data_.tokens.size());
  if (count != size_)
    contradiction("the tokenizer has another number of tokens than the model",
                  {{"tokens", count}, {"vocabulary", size_}});
  read_types();
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
  std::vector<std::int32_t>& ends = data_.ends;
  const auto add = [&ends](std::optional<std::int32_t> token) {
    if (token && std::find(ends.begin(), ends.end(), *token) == ends.end()) ends.push_back(*token);
  };
  add(data_.eos);
  add(id("tokenizer.ggml.eot_token_id"));
  add(id("tokenizer.ggml.eom_token_id"));
  for (std::size_t i = 0; i < data_.types.size(); ++i)
    if (data_.types[i] == TokenType::control &&
        std::find(std::begin(end_names), std::end(end_names), data_.tokens[i]) != std::end(end_names))
      add(static_cast<std::int32_t>(i));
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
