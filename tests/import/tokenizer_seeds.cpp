// Writes the seeds of tokenizer_fuzz: tokenizer_seeds FOLDER [GOLDEN].
//
// The smallest of each kind, and the golden ones with so few tokens that what steers the reader is most of them.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "sentencepiece_image.hpp"
#include "small_tokenizers.hpp"

namespace {

using namespace tsrun::test;

Json with_every_step() {
  Json json = small_tokenizer();
  json["normalizer"] = Json::parse(R"({"type": "Sequence", "normalizers": [
    {"type": "NFC"}, {"type": "Prepend", "prepend": "b"}, {"type": "Replace", "pattern": {"String": " "}, "content": "a"}]})");
  json["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "(?i:'s)|[^\\r\\n\\p{L}]?\\p{L}+|\\s+(?!\\S)|\\d{1,3}"},
     "behavior": "MergedWithNext", "invert": true},
    {"type": "Digits", "individual_digits": true}, {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "ByteLevel"}, {"type": "Split", "pattern": {"String": "a"}, "behavior": "Removed"}]})");
  json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}},
    {"Sequence": {"id": "A"}}], "special_tokens": {"<s>": {"ids": [3]}}})");
  json["added_tokens"].push_back(Json::parse(
      R"({"id": 5, "content": "don", "normalized": true, "lstrip": true, "rstrip": true, "single_word": true})"));
  return json;
}

constexpr std::size_t few = 300;  // the 256 bytes are among the first

Json shrunk(Json json) {
  Json& vocabulary = json["model"]["vocab"];
  if (vocabulary.is_array()) {
    if (vocabulary.size() > few) vocabulary.erase(vocabulary.begin() + few, vocabulary.end());
    return json;
  }
  std::set<std::string> kept;
  const Json all = vocabulary;
  for (const auto& [text, id] : all.items()) {
    if (id.get<std::size_t>() < few) kept.insert(text);
    else vocabulary.erase(text);
  }
  Json merges = Json::array();
  for (const Json& merge : json["model"]["merges"]) {
    const auto part = [&merge](std::size_t i) { return merge[i].get<std::string>(); };
    const std::string words = merge.is_array() ? part(0) + " " + part(1) : merge.get<std::string>();
    const std::size_t space = words.find(' ');
    const std::string left = words.substr(0, space), right = words.substr(space + 1);
    if (kept.contains(left) && kept.contains(right) && kept.contains(left + right)) merges.push_back(merge);
  }
  json["model"]["merges"] = merges;
  return json;
}

// A tokenizer.model is a list of messages: field, length, content. Pieces are field 1, and shorter than 128 bytes.
std::string shrunk_model(const std::string& model) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t pieces = 0; at + 1 < model.size() && model[at] == '\n'; ++pieces) {
    const std::size_t end = at + 2 + static_cast<unsigned char>(model[at + 1]);
    if (pieces < few) out += model.substr(at, end - at);
    at = end;
  }
  return out + model.substr(std::min(at, model.size()));
}

// As tokenizer_fuzz takes a tokenizer.model.
std::string with_length(const std::string& model) {
  const auto size = static_cast<std::uint32_t>(model.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + model;
}

std::string slurp(const std::filesystem::path& path) {
  std::ostringstream all;
  all << std::ifstream(path, std::ios::binary).rdbuf();
  return all.str();
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fputs("usage: tokenizer_seeds FOLDER [GOLDEN]\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  std::string others;
  for (const char* const other :
       {R"({"bos_token": "<s>", "eos_token": {"content": "ab"}, "add_bos_token": true, "legacy": false,
            "chat_template": [{"name": "default", "template": "{{ messages }}"}]})",
        R"({"eos_token_id": [2, 3]})", R"({"pad_token": "a", "unk_token": {"content": "<unk>"}})",
        R"({"eos_token_id": 1})", "{{ messages[0].content }}"})
    others += std::string(1, '\0') + other;
  write(folder / "bpe", small_tokenizer().dump());
  write(folder / "steps", with_every_step().dump());
  write(folder / "characters", small_characters().dump() + others);
  write(folder / "unigram", small_unigram().dump());
  SentencePieceImage image;
  write(folder / "bpe.model", with_length(image.bytes()) + others);
  image.model_type = 1;
  image.leads_with_space = false;
  write(folder / "unigram.model", with_length(image.bytes()));
  if (argc == 3)
    for (const auto& entry : std::filesystem::directory_iterator(argv[2])) {
      if (!entry.is_directory()) continue;
      const std::string json = slurp(entry.path() / "tokenizer.json"), model = slurp(entry.path() / "tokenizer.model");
      write(folder / entry.path().filename(),
            json.empty() ? with_length(shrunk_model(model)) : shrunk(Json::parse(json)).dump());
    }
}
