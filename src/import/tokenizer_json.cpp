#include "tokenizer_json.hpp"

#include <algorithm>
#include <cmath>

#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

// <0x0A>
bool is_byte_token(std::string_view text) {
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && is_digit(text[3]) && is_digit(text[4]);
}

class Reader {
 public:
  explicit Reader(const HfConfig& file) : file_(file), model_(model_of(file)) {}

  TokenizerData read() {
    const PreTokenizer pre_tokenizer = read_pre_tokenizer(file_);
    decoder_ = read_decoder(file_);
    data_.normalizer = read_normalizer(file_);
    data_.pre_tokenizer = pre_tokenizer.steps;
    data_.drop_first_space = decoder_.drops_first_space;
    read_kind(pre_tokenizer.byte_level);
    read_model();
    read_added();
    read_types();
    read_rules();
    return std::move(data_);
  }

 private:
  static HfConfig model_of(const HfConfig& file) {
    const auto model = file.object("model");
    if (!model) file.contradiction("the tokenizer has no model", {});
    return *model;
  }
  void read_kind(bool byte_level);
  void read_model();
  void read_vocabulary(const Json& vocabulary);
  void read_scored_vocabulary(const Json& vocabulary);
  void read_merges();
  void read_added();
  void read_types();
  void read_rules();
  void put(const std::string& text, std::int64_t id);
  std::optional<std::int32_t> id_of(const std::string& text) const {
    const auto found = std::find(data_.tokens.begin(), data_.tokens.end(), text);
    if (found == data_.tokens.end()) return std::nullopt;
    return static_cast<std::int32_t>(found - data_.tokens.begin());
  }
  std::int32_t within(std::int64_t id, std::string_view what) const {
    if (id < 0 || id >= std::ssize(data_.tokens))
      file_.contradiction(text(what, " is outside the vocabulary"),
                          {{"id", id}, {"tokens", number(data_.tokens.size())}});
    return static_cast<std::int32_t>(id);
  }
  const Json* list(const HfConfig& from, const char* key) const {
    const auto found = from.json().find(key);
    if (found == from.json().end() || found->is_null()) return nullptr;
    if (!found->is_array()) file_.contradiction(text(from.full(key), " is not a list"), {});
    return &*found;
  }

  const HfConfig& file_;
  HfConfig model_;
  Decoder decoder_;
  TokenizerData data_;
  std::int64_t most_ids_ = 0;
};

void Reader::read_kind(bool byte_level) {
  const std::string type = model_.string("type").value_or(model_.has("merges") ? "BPE" : "without a type");
  if (type != "BPE" && type != "Unigram") unread("tokenizer's model", type);
  if (type == "Unigram" && byte_level) unread("tokenizer's model", "Unigram of bytes");
  if (!byte_level && (decoder_.byte_level || !file_.has("decoder")))
    unread("tokenizer", "of characters without a decoder");
  data_.kind = type == "Unigram" ? TokenizerKind::unigram
               : byte_level      ? TokenizerKind::bpe
                                 : TokenizerKind::sentencepiece;
}

void Reader::read_model() {
  if (model_.real("dropout").value_or(0) != 0) unread("tokenizer's", "dropout");
  for (const char* const key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model_.string(key).value_or("").empty()) unread("tokenizer's", key);
  data_.byte_fallback = model_.boolean("byte_fallback").value_or(false);
  data_.fuse_unknown = model_.boolean("fuse_unk").value_or(false);
  data_.ignore_merges = model_.boolean("ignore_merges").value_or(false);
  const Json* const added = list(file_, "added_tokens");
  const auto vocabulary = model_.json().find("vocab");
  const bool scored = data_.kind == TokenizerKind::unigram;
  if (vocabulary == model_.json().end() || !(scored ? vocabulary->is_array() : vocabulary->is_object()))
    file_.contradiction(text("the tokenizer's vocabulary is not ", scored ? "a list" : "an object"), {});
  // A vocabulary may have holes, but not so many that one absurd id asks for all the memory.
  most_ids_ = static_cast<std::int64_t>(4 * (vocabulary->size() + (added ? added->size() : 0)) + 65536);
  if (scored) {
    read_scored_vocabulary(*vocabulary);
  } else {
    read_vocabulary(*vocabulary);
    read_merges();
  }
}

void Reader::put(const std::string& text, std::int64_t id) {
  if (id < 0 || id >= most_ids_)
    file_.contradiction("the id of a token is absurd",
                        {{"token", printable(text)}, {"id", id}, {"most", most_ids_ - 1}});
  const auto i = static_cast<std::size_t>(id);
  if (i >= data_.tokens.size()) {
    data_.tokens.resize(i + 1);
    data_.types.resize(i + 1, TokenType::unused);
  }
  if (data_.types[i] != TokenType::unused && data_.tokens[i] != text)
    file_.contradiction("two tokens have one id",
                        {{"token", printable(text)}, {"other", printable(data_.tokens[i])}, {"id", id}});
  data_.tokens[i] = text;
  if (data_.types[i] == TokenType::unused) data_.types[i] = TokenType::normal;
}

void Reader::read_vocabulary(const Json& vocabulary) {
  for (const auto& [text, id] : vocabulary.items()) {
    if (!id.is_number_integer())
      file_.contradiction("the id of a token is not a whole number", {{"token", printable(text)}});
    put(text, id.is_number_unsigned() && id.get<std::uint64_t>() >> 63 != 0 ? -1 : id.get<std::int64_t>());
  }
}

// [["<unk>", 0.0], ["\u2581the", -3.2], ...]
void Reader::read_scored_vocabulary(const Json& vocabulary) {
  std::int64_t id = 0;
  for (const Json& entry : vocabulary) {
    const bool fits = entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!fits || !std::isfinite(entry[1].get<double>()))
      file_.contradiction("an entry of the vocabulary is not a text and a score", {{"id", id}});
    put(entry[0].get<std::string>(), id++);
    data_.scores.push_back(entry[1].get<double>());
  }
  if (const auto unknown = model_.integer("unk_id")) data_.unknown = within(*unknown, "the unknown token");
}

// "left right", or in newer files ["left", "right"].
void Reader::read_merges() {
  const Json* const merges = list(model_, "merges");
  if (merges == nullptr) return;
  for (const Json& merge : *merges) {
    const bool is_pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
    if (!is_pair && !merge.is_string())
      file_.contradiction("a merge is not two texts", {{"merge", number(data_.merges.size())}});
    std::string words = is_pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                                : merge.get<std::string>();
    if (is_pair && std::count(words.begin(), words.end(), ' ') != 1) unread("merge", "of tokens with spaces in them");
    data_.merges.push_back(std::move(words));
  }
}

void Reader::read_added() {
  for (const HfConfig& token : objects_of(file_, "added_tokens")) {
    const auto content = token.string("content");
    const auto id = token.integer("id");
    if (!content || !id) file_.contradiction("an added token lacks its text or its id", {});
    put(*content, *id);
    const bool special = token.boolean("special").value_or(false);
    data_.types[static_cast<std::size_t>(*id)] = special ? TokenType::control : TokenType::user_defined;
    const AddedToken flags = {.id = static_cast<std::int32_t>(*id),
                              .normalized = token.boolean("normalized").value_or(!special),
                              .takes_space_before = token.boolean("lstrip").value_or(false),
                              .takes_space_behind = token.boolean("rstrip").value_or(false),
                              .whole_word = token.boolean("single_word").value_or(false)};
    if (flags != AddedToken{.id = flags.id}) data_.added.push_back(flags);
  }
  if (!data_.scores.empty()) data_.scores.resize(data_.tokens.size());
}

// In byte-level BPE the unknown token stays what it is: GPT-2's is also the end of a text.
void Reader::read_types() {
  if (const auto unknown = model_.string("unk_token")) data_.unknown = id_of(*unknown);
  if (data_.kind == TokenizerKind::bpe) return;
  if (data_.unknown) data_.types[static_cast<std::size_t>(*data_.unknown)] = TokenType::unknown;
  if (!decoder_.byte_tokens) return;
  for (std::size_t i = 0; i < data_.tokens.size(); ++i)
    if (data_.types[i] == TokenType::normal && is_byte_token(data_.tokens[i])) data_.types[i] = TokenType::byte;
}

void Reader::read_rules() {
  const AddedIds ids = read_post_processor(file_);
  if (ids.before) data_.bos = within(*ids.before, "the token before each text");
  if (ids.behind) data_.eos = within(*ids.behind, "the token behind each text");
  data_.add_bos = ids.before.has_value();
  data_.add_eos = ids.behind.has_value();
}

}  // namespace

TokenizerData read_tokenizer_json(const HfConfig& file) { return Reader(file).read(); }

}  // namespace tsrun
