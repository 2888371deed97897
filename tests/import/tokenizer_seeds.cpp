// Writes the seeds of tokenizer_fuzz: tokenizer_seeds FOLDER.
#include <cstdio>
#include <filesystem>
#include <fstream>

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

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: tokenizer_seeds FOLDER\n", stderr);
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  const std::string config = R"({"bos_token": "<s>", "eos_token": {"content": "ab"}, "add_bos_token": true,
    "chat_template": [{"name": "default", "template": "{{ messages }}"}]})";
  write(folder / "bpe", small_tokenizer().dump());
  write(folder / "steps", with_every_step().dump());
  write(folder / "characters", small_characters().dump() + std::string(1, '\0') + config);
  write(folder / "unigram", small_unigram().dump());
  SentencePieceImage image;
  write(folder / "bpe.model", image.bytes());
  image.model_type = 1;
  image.leads_with_space = false;
  write(folder / "unigram.model", image.bytes());
}
