// tokenizer.json: read whole, left out with a note where it is of a kind not built, refused where it is damaged.
#include <doctest/doctest.h>

#include "tokenizer_folder.hpp"

using namespace tsrun;
using namespace tsrun::test;
using Kind = TextStep::Kind;
using Matches = TextStep::Matches;

namespace {

Json with(Json json, const char* pointer, Json value) {
  json[Json::json_pointer(pointer)] = std::move(value);
  return json;
}

std::vector<TextStep> normalizer_of(const char* json) {
  return read_tokenizer(with(small_tokenizer(), "/normalizer", Json::parse(json))).normalizer;
}

std::vector<TextStep> steps_of(const char* json) {
  return read_tokenizer(with(small_tokenizer(), "/pre_tokenizer", Json::parse(json))).pre_tokenizer;
}

void expect_refused(const Json& json, std::initializer_list<std::string> words) {
  TokenizerFolder folder = folder_of(json);
  expect_refusal([&] { folder.read(); }, words);
}

}  // namespace

TEST_CASE("byte-level BPE is read whole, merges in both forms") {
  Json json = small_tokenizer();
  for (const Json& merges : {Json::parse(R"(["a b"])"), Json::parse(R"([["a", "b"]])")}) {
    json["model"]["merges"] = merges;
    const TokenizerData t = read_tokenizer(json);
    CHECK(t.kind == TokenizerKind::bpe);
    CHECK(t.tokens == std::vector<std::string>{"a", "b", "ab", "<s>"});
    CHECK(t.types[2] == TokenType::normal);
    CHECK(t.types[3] == TokenType::control);
    CHECK(t.merges == std::vector<std::string>{"a b"});
    CHECK(t.pre_tokenizer.size() == 1);
    CHECK(t.added.empty());
    CHECK_FALSE(t.add_bos);
    CHECK_FALSE(t.ignore_merges);
  }
  json["model"].erase("type");  // as in old files
  json["model"]["ignore_merges"] = true;
  json["model"]["unk_token"] = "<s>";
  CHECK(read_tokenizer(json).ignore_merges);
  CHECK(read_tokenizer(json).unknown == 3);
  CHECK(read_tokenizer(json).types[3] == TokenType::control);  // and not unknown
}

TEST_CASE("added tokens keep their flags, and holes between ids are tokens that are not in use") {
  Json json = small_tokenizer();
  json["added_tokens"].push_back(Json::parse(
      R"({"id": 6, "content": "word", "special": false, "normalized": true, "single_word": true})"));
  json["added_tokens"].push_back(Json::parse(
      R"({"id": 5, "content": "\t", "special": false, "normalized": false, "lstrip": true, "rstrip": true})"));
  const TokenizerData t = read_tokenizer(json);
  REQUIRE(t.tokens.size() == 7);
  CHECK(t.types[4] == TokenType::unused);
  CHECK(t.types[6] == TokenType::user_defined);
  REQUIRE(t.added.size() == 2);
  CHECK(t.added[0] == AddedToken{.id = 6, .normalized = true, .whole_word = true});
  CHECK(t.added[1] == AddedToken{.id = 5, .takes_space_before = true, .takes_space_behind = true});
}

TEST_CASE("normalizers become steps") {
  CHECK(normalizer_of(R"({"type": "NFC"})")[0].kind == Kind::nfc);
  const auto steps = normalizer_of(R"({"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "_"},
                                       {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]})");
  REQUIRE(steps.size() == 2);
  CHECK(steps[0] == TextStep{.kind = Kind::prepend, .text = "_"});
  CHECK(steps[1] == TextStep{.kind = Kind::replace, .text = " ", .other = "_"});
}

TEST_CASE("pre-tokenizers become steps") {
  auto steps = steps_of(R"({"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": "\\p{N}"}, "behavior": "Removed", "invert": true},
    {"type": "Split", "pattern": {"String": "a.b"}, "behavior": "MergedWithPrevious"},
    {"type": "Digits", "individual_digits": true}, {"type": "Punctuation", "behavior": "Contiguous"},
    {"type": "ByteLevel", "use_regex": false}]})");
  REQUIRE(steps.size() == 5);
  CHECK(steps[0] == TextStep{.text = "\\p{N}", .matches = Matches::removed, .inverted = true});
  CHECK(steps[1] == TextStep{.text = "a\\.b", .matches = Matches::with_previous});
  CHECK(steps[2].matches == Matches::isolated);
  CHECK(steps[3].matches == Matches::together);
  CHECK(steps[4] == TextStep{.kind = Kind::lead, .text = " "});
  // What stands behind ByteLevel sees letters in place of bytes.
  steps = steps_of(R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel", "add_prefix_space": false},
                       {"type": "Digits"}]})");
  REQUIRE(steps.size() == 3);
  CHECK(steps[1].kind == Kind::letters);
  CHECK(steps[2].matches == Matches::together);
}

TEST_CASE("SentencePiece's BPE: bytes, the unknown token, and spaces") {
  TokenizerData t = read_tokenizer(small_characters());
  CHECK(t.kind == TokenizerKind::sentencepiece);
  CHECK(t.types[4] == TokenType::byte);
  CHECK(t.types[5] == TokenType::unknown);
  CHECK(t.unknown == 5);
  CHECK(t.byte_fallback);
  CHECK(t.fuse_unknown);
  CHECK(t.drop_first_space);
  Json json = small_characters();
  json["normalizer"] = nullptr;
  json["decoder"]["decoders"].erase(3);
  for (const auto& [scheme, kind] : {std::pair{"first", Kind::lead_first}, std::pair{"always", Kind::lead}}) {
    json["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", scheme}};
    t = read_tokenizer(json);
    REQUIRE(t.pre_tokenizer.size() == 3);
    CHECK(t.pre_tokenizer[0] == TextStep{.kind = Kind::replace, .text = " ", .other = "\u2581"});
    CHECK(t.pre_tokenizer[1].kind == kind);
    CHECK(t.pre_tokenizer[2].matches == Matches::with_next);
    CHECK_FALSE(t.drop_first_space);
  }
  json["pre_tokenizer"] = {{"type", "Metaspace"}, {"prepend_scheme", "never"}, {"split", false}};
  CHECK(read_tokenizer(json).pre_tokenizer.size() == 1);
}

TEST_CASE("unigram is read with its scores") {
  const Json json = small_unigram();
  const TokenizerData t = read_tokenizer(json);
  CHECK(t.kind == TokenizerKind::unigram);
  CHECK(t.scores == std::vector<double>{0, -1.5, -2, 0, 0});
  CHECK(t.types[0] == TokenType::unknown);
  CHECK(t.types[2] == TokenType::byte);
  CHECK(t.types[3] == TokenType::unused);
  expect_refused(with(json, "/model/vocab/1", Json::parse(R"(["a"])")), {"id 1"});
  expect_refused(with(json, "/model/vocab", Json::object()), {"vocabulary"});
  expect_refused(with(json, "/model/unk_id", 9), {"id 9"});
}

TEST_CASE("what stands around every text is read from the template") {
  const char* const around = R"({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "ab", "type_id": 0}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [3]}, "ab": {"id": "ab", "ids": [2]}}}]})";
  const Json json = with(small_tokenizer(), "/post_processor", Json::parse(around));
  const TokenizerData t = read_tokenizer(json);
  CHECK(t.add_bos);
  CHECK(t.bos == 3);
  CHECK(t.add_eos);
  CHECK(t.eos == 2);
  const std::string ids = "/post_processor/processors/1/special_tokens/<s>/ids";
  expect_refused(with(json, ids.c_str(), {7}), {"id 7"});
  expect_refused(with(json, ids.c_str(), {-1}), {"id -1"});
  CHECK(note_of(with(json, ids.c_str(), {3, 2})).find("more than one token") != std::string::npos);
}

TEST_CASE("a tokenizer of a kind that is not built is left out with a note that names it") {
  const std::tuple<const char*, Json, const char*> rows[] = {
      {"/model/type", "WordPiece", "WordPiece"},
      {"/model/dropout", 0.1, "dropout"},
      {"/model/end_of_word_suffix", "</w>", "end_of_word_suffix"},
      {"/model/merges", Json::parse(R"([["a ", "b"]])"), "spaces"},
      {"/normalizer", Json::parse(R"({"type": "Precompiled", "precompiled_charsmap": "AA=="})"), "Precompiled"},
      {"/normalizer", Json::parse(R"({"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "})"), "Replace"},
      {"/normalizer", Json::parse(R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})"), "Lowercase"},
      {"/pre_tokenizer", Json::parse(R"({"type": "BertPreTokenizer"})"), "BertPreTokenizer"},
      {"/pre_tokenizer", Json::parse(R"({"type": "Split", "pattern": {"String": "a"}, "behavior": "Other"})"), "Other"},
      {"/pre_tokenizer",
       Json::parse(R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "ByteLevel"}]})"),
       "ByteLevel behind"},
      {"/post_processor", Json::parse(R"({"type": "RobertaProcessing"})"), "RobertaProcessing"},
      {"/decoder", Json::parse(R"({"type": "WordPiece"})"), "WordPiece"},
      {"/pre_tokenizer", nullptr, "decoder"},
      {"/model/type", "Uni\x01", "Uni\\x01"}};
  for (const auto& [place, value, word] : rows) {
    CAPTURE(word);
    CHECK(note_of(with(small_tokenizer(), place, value)).find(word) != std::string::npos);
  }
  for (const char* const bad : {R"({"type": "Strip", "content": "x", "start": 1, "stop": 0})",
                                R"({"type": "Strip", "content": " ", "start": 2})",
                                R"({"type": "Replace", "pattern": {"String": "x"}, "content": " "})",
                                R"({"type": "Metaspace", "replacement": "_"})"})
    CHECK(note_of(with(small_characters(), "/decoder", Json::parse(bad))).find("decoder") != std::string::npos);
}

TEST_CASE("a tokenizer that contradicts itself is refused") {
  const Json json = small_tokenizer();
  expect_refused(with(json, "/model/vocab/b", 0), {"two tokens", "id 0"});
  expect_refused(with(json, "/model/vocab/b", -1), {"absurd", "id -1"});
  expect_refused(with(json, "/model/vocab/b", 1 << 30), {"absurd"});
  expect_refused(with(json, "/model/vocab/b", std::uint64_t{1} << 63U), {"absurd"});
  expect_refused(with(json, "/model/vocab/b", 1.5), {"whole number"});
  expect_refused(with(json, "/model/vocab", nullptr), {"vocabulary"});
  expect_refused(with(json, "/model/merges/0", 7), {"merge 0"});
  expect_refused(with(json, "/model/merges", "a b"), {"merges", "list"});
  expect_refused(with(json, "/model/byte_fallback", "yes"), {"byte_fallback"});
  expect_refused(with(json, "/model", nullptr), {"no model"});
  expect_refused(with(json, "/added_tokens/0/id", 2), {"two tokens", "id 2"});
  expect_refused(with(json, "/added_tokens/0/id", nullptr), {"added token"});
  expect_refused(with(json, "/added_tokens/0", 3), {"added_tokens"});
  expect_refused(with(json, "/pre_tokenizer/type", 3), {"pre_tokenizer.type"});
  TokenizerFolder folder = {{{"tokenizer.json", "{\"model\": "}}, {}};
  expect_refusal([&] { folder.read(); }, {"not JSON"});
}
