// tokenizer.model: SentencePiece's pieces, scores and rules, read, left out with a note, or refused.
#include <doctest/doctest.h>

#include <cstring>
#include <limits>

#include "sentencepiece_image.hpp"
#include "tokenizer_folder.hpp"

using namespace tsrun;
using namespace tsrun::test;
using Kind = TextStep::Kind;

namespace {

TokenizerFolder folder_of(const SentencePieceImage& image) { return {{{"tokenizer.model", image.bytes()}}, {}}; }

TokenizerData read(const SentencePieceImage& image) {
  TokenizerFolder folder = folder_of(image);
  auto data = folder.read();
  CHECK(folder.notes.empty());
  REQUIRE(data);
  return std::move(*data);
}

void expect_refused(const SentencePieceImage& image, std::initializer_list<std::string> words) {
  TokenizerFolder folder = folder_of(image);
  expect_refusal([&] { folder.read(); }, words);
}

}  // namespace

TEST_CASE("pieces, scores and special ids are read") {
  SentencePieceImage image;
  const TokenizerData t = read(image);
  CHECK(t.kind == TokenizerKind::sentencepiece);
  CHECK(t.tokens == std::vector<std::string>{"<unk>", "<s>", "</s>", "<0x0A>", "\u2581a", "\u2581\u2581"});
  CHECK(t.types == std::vector<TokenType>{TokenType::unknown, TokenType::control, TokenType::control, TokenType::byte,
                                          TokenType::normal, TokenType::user_defined});
  CHECK(t.scores == std::vector<double>{0, 0, 0, 0, -1.5, 0});
  CHECK(t.unknown == 0);
  CHECK(t.bos == 1);
  CHECK(t.eos == 2);
  CHECK_FALSE(t.pad);
  CHECK(t.add_bos);
  CHECK_FALSE(t.add_eos);
  CHECK(t.byte_fallback);
  CHECK(t.drop_first_space);
  CHECK(t.ends == std::vector<std::int32_t>{2});
  REQUIRE(t.normalizer.size() == 2);
  CHECK(t.normalizer[0] == TextStep{.kind = Kind::prepend, .text = "\u2581"});
  image.model_type = 1;
  CHECK(read(image).kind == TokenizerKind::unigram);
}

TEST_CASE("a space before every text, before the first only, or before none") {
  SentencePieceImage image;
  image.leads_with_space = false;
  const TokenizerData none = read(image);
  CHECK(none.normalizer.size() == 1);
  CHECK_FALSE(none.drop_first_space);
  CHECK(none.added == std::vector<AddedToken>{{.id = 5, .normalized = true}});
  TokenizerFolder folder = folder_of(SentencePieceImage());
  folder.files["tokenizer_config.json"] = R"({"legacy": false})";
  const auto first = folder.read();
  REQUIRE(first);
  CHECK(first->normalizer.empty());
  REQUIRE(first->pre_tokenizer.size() == 2);
  CHECK(first->pre_tokenizer[1].kind == Kind::lead_first);
}

TEST_CASE("what changes more of a text than its spaces is left out by its name") {
  SentencePieceImage image;
  image.rule = "nmt_nfkc";
  image.map = "xyz";
  CHECK(note_of(folder_of(image)).find("nmt_nfkc") != std::string::npos);
  image.map.clear();
  CHECK(read(image).kind == TokenizerKind::sentencepiece);  // a name alone changes nothing
  image.removes_spaces = true;
  CHECK(note_of(folder_of(image)).find("removes spaces") != std::string::npos);
  image = {};
  image.model_type = 3;
  CHECK(note_of(folder_of(image)).find("words") != std::string::npos);
  image = {};
  image.escapes_spaces = false;
  CHECK(note_of(folder_of(image)).find("spaces") != std::string::npos);
}

TEST_CASE("a damaged model is refused") {
  SentencePieceImage image;
  image.pieces[4].score = std::numeric_limits<float>::quiet_NaN();
  expect_refused(image, {"score", "id 4"});
  image = {};
  image.pieces[4].type = 7;
  expect_refused(image, {"type 7"});
  image = {};
  image.pieces[4].text = "\xff";
  expect_refused(image, {"UTF-8"});
  image = {};
  image.eos = 6;
  expect_refused(image, {"id 6", "tokens 6"});
  image = {};
  image.pieces.clear();
  expect_refused(image, {"no pieces"});
}

TEST_CASE("a message that runs over its end, or is of another type, is refused wherever it is cut") {
  const std::string whole = SentencePieceImage().bytes();
  const auto read_bytes = [](const std::string& bytes) {
    TokenizerFolder folder = {{{"tokenizer.model", bytes}}, {}};
    try {
      folder.read();
    } catch (const Error& error) {
      CHECK(error.exit() == Exit::request);
      return false;
    }
    return true;
  };
  CHECK(read_bytes(whole));
  int refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) refused += read_bytes(whole.substr(0, size)) ? 0 : 1;
  CHECK(refused > static_cast<int>(whole.size()) / 2);
  for (const char* const bad : {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x0b", "\x03", "\x0a\x02\x08\x01",
                                "\x0a\x02\x15\x01", "\x12\x02\x1a\x00"})
    CHECK_FALSE(read_bytes(whole + bad));
  CHECK_FALSE(read_bytes(whole + std::string("\x00\x00", 2)));  // field 0
}
