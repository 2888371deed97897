// The smallest tokenizer.json of each kind.
#pragma once

#include <nlohmann/json.hpp>

namespace tsrun::test {

using Json = nlohmann::json;

// Byte-level BPE of a, b, ab and a special token.
inline Json small_tokenizer() {
  return Json::parse(R"({
    "added_tokens": [{"id": 3, "content": "<s>", "special": true, "normalized": false}],
    "normalizer": null,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

// SentencePiece's BPE with byte tokens.
inline Json small_characters() {
  Json json = small_tokenizer();
  json["pre_tokenizer"] = nullptr;
  json["normalizer"] = {{"type", "Prepend"}, {"prepend", "\u2581"}};
  json["decoder"] = Json::parse(R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
  json["model"]["vocab"]["<0x0A>"] = 4;
  json["model"]["vocab"]["<unk>"] = 5;
  json["model"]["unk_token"] = "<unk>";
  json["model"]["byte_fallback"] = json["model"]["fuse_unk"] = true;
  return json;
}

inline Json small_unigram() {
  Json json = small_characters();
  json["model"] = Json::parse(
      R"({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.5], ["<0x0A>", -2]]})");
  json["added_tokens"][0]["id"] = 4;
  return json;
}

}  // namespace tsrun::test
