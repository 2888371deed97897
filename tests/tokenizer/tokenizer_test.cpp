// Merges, special tokens, raw bytes, and texts that come in pieces.
#include "tsrun/tokenizer/tokenizer.hpp"

#include <doctest/doctest.h>

#include <chrono>

#include "../../src/tokenizer/bpe.hpp"
#include "tsrun/core/error.hpp"

using namespace tsrun;

namespace {

using Ids = std::vector<std::int32_t>;

// All 256 bytes, then "ab", "abc", "bc", then two special tokens.
TokenizerData tiny() {
  TokenizerData d;
  d.kind = TokenizerKind::bpe;
  d.pattern = "gpt2";
  for (int b = 0; b < 256; ++b) d.tokens.push_back(letter_of_byte(static_cast<unsigned char>(b)));
  for (const char* token : {"ab", "abc", "bc", "<end>", "<end>!"}) d.tokens.push_back(token);
  d.types.assign(d.tokens.size(), TokenType::normal);
  d.types[259] = d.types[260] = TokenType::control;
  d.merges = {"b c", "a b", "ab c"};
  d.eos = 259;
  d.ends = {259};
  return d;
}

void check_refused(const TokenizerData& data, const char* word) {
  try {
    const Tokenizer t(data, "model.h5");
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.exit() == Exit::request);
    CHECK(std::string(e.what()).find(word) != std::string::npos);
    CHECK(std::string(e.what()).find("model.h5") != std::string::npos);
  }
}

}  // namespace

TEST_CASE("the pair of lowest rank merges first") {
  const Tokenizer t(tiny(), "");
  CHECK(t.encode("abc") == Ids{'a', 258});  // "b c" before "a b"
  CHECK(t.encode("ab") == Ids{256});
  TokenizerData other = tiny();
  other.merges = {"a b", "ab c", "b c"};
  CHECK(Tokenizer(other, "").encode("abcbc") == Ids{257, 258});
}

TEST_CASE("special tokens are found in the text, the longest first, unless it is plain text") {
  const Tokenizer t(tiny(), "");
  CHECK(t.encode("a<end>!b") == Ids{'a', 260, 'b'});
  CHECK(t.encode("<end><end>") == Ids{259, 259});
  CHECK(t.encode("<end>", Tokenizer::Special::as_text).size() == 5);
  CHECK(t.decode({'a', 259, 'b'}) == "ab");
  CHECK(t.decode({'a', 259, 'b'}, true) == "a<end>b");
  CHECK(t.is_end(259));
  CHECK_FALSE(t.is_end(260));
}

TEST_CASE("beginning and end are added by the model's rule") {
  TokenizerData d = tiny();
  d.add_bos = d.add_eos = true;
  d.bos = 260;
  const Tokenizer t(d, "");
  CHECK(t.encode("a") == Ids{260, 'a', 259});
  CHECK(t.encode("a", Tokenizer::Special::parse, false) == Ids{'a'});
}

TEST_CASE("raw bytes are their own ids, valid UTF-8 or not") {
  TokenizerData d;
  d.kind = TokenizerKind::bytes;
  d.eos = 256;
  d.ends = {256};
  const Tokenizer t(d, "");
  CHECK(t.encode("a\xff\x00z") == Ids{'a', 255});  // a C string ends at its zero
  CHECK(t.decode({'a', 255, 256}) == "a\xff");
  CHECK(t.is_end(256));
}

TEST_CASE("invalid UTF-8 is refused with its place") {
  const Tokenizer t(tiny(), "");
  for (const char* bad : {"abc\xff", "abc\xc3", "abc\xed\xa0\x80", "abc\xf8\x88\x80\x80\x80"}) {
    try {
      t.encode(bad);
      FAIL("not refused");
    } catch (const Error& e) {
      CHECK(std::string(e.what()).find("byte offset 3") != std::string::npos);
    }
  }
}

TEST_CASE("data that contradicts itself is refused") {
  TokenizerData d = tiny();
  d.merges.push_back("a nothing");
  check_refused(d, "nothing");
  d = tiny();
  d.merges.push_back("abc");
  check_refused(d, "two tokens");
  d = tiny();
  d.types.pop_back();
  check_refused(d, "token types");
  d = tiny();
  d.eos = 10000;
  check_refused(d, "10000");
  d = tiny();
  d.pattern = "unheard-of";
  check_refused(d, "smollm");
}

TEST_CASE("a byte without a token becomes the unknown one, or is refused") {
  TokenizerData d = tiny();
  d.tokens[4] = "other";
  CHECK_THROWS_AS(Tokenizer(d, "").encode("\x04"), Error);
  d.unknown = 259;
  CHECK(Tokenizer(d, "").encode("\x04") == Ids{259});
}

TEST_CASE("a megabyte of one letter takes no quadratic time") {
  TokenizerData d = tiny();
  d.tokens.push_back("aa");
  d.tokens.push_back("aaaa");
  d.types.resize(d.tokens.size(), TokenType::normal);
  d.merges = {"a a", "aa aa"};
  const Tokenizer t(d, "");
  CHECK(t.encode(std::string(1 << 20, 'a')).size() == 1 << 18);
}

TEST_CASE("a text in pieces is passed on in whole characters") {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
  for (std::size_t first = 0; first <= text.size(); ++first)
    for (std::size_t second = first; second <= text.size(); ++second) {
      Utf8Stream stream;
      const std::string a = stream.push(text.substr(0, first)), b = stream.push(text.substr(first, second - first)), c = stream.push(text.substr(second));
      CHECK(a + b + c + stream.finish() == text);
      for (const std::string& part : {a, b, c})
        if (!part.empty()) CHECK((static_cast<unsigned char>(part[0]) & 0xc0U) != 0x80U);
    }
}

TEST_CASE("what can no longer become a character is replaced at once") {
  const std::string r = "\xef\xbf\xbd";
  const auto whole = [](const std::string& bytes) {
    Utf8Stream stream;
    const std::string start = stream.push(bytes);
    return start + stream.finish();
  };
  CHECK(whole("\xff") == r);
  CHECK(whole("\xc3") == r);
  CHECK(whole("\xc3z") == r + "z");
  CHECK(whole("\xe2\x82") == r);
  CHECK(whole("\xe2\x82z") == r + "z");
  CHECK(whole("\xed\xa0\x80") == r + r + r);
  CHECK(whole("\xf4\x90\x80\x80") == r + r + r + r);
  CHECK(whole("\xc0\xaf") == r + r);
}
