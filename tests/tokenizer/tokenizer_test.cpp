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

TEST_CASE("SmolLM's digits stand alone, and a space before one is a piece of its own") {
  TokenizerData d = tiny();
  for (const char* token : {"\u0120\u0120", "\u01201", "12", "\u0120a", "1\u0120"}) d.tokens.push_back(token);  // from 261
  d.types.resize(d.tokens.size(), TokenType::normal);
  d.merges = {"\u0120 \u0120", "\u0120 1", "1 2", "\u0120 a", "1 \u0120"};
  d.pattern = "smollm";
  CHECK(Tokenizer(d, "").encode(" 12  1 a") == Ids{' ', '1', '2', 261, '1', 264});
  d.pattern = "gpt2";
  CHECK(Tokenizer(d, "").encode(" 12  1 a") == Ids{262, '2', ' ', 262, 264});
}

TEST_CASE("a piece that is a whole token is taken as it is, where the model says so") {
  TokenizerData d = tiny();
  d.tokens.push_back("cab");  // 261, which no merge makes
  d.types.push_back(TokenType::normal);
  CHECK(Tokenizer(d, "").encode("cab!") == Ids{'c', 256, '!'});
  d.ignore_merges = true;
  CHECK(Tokenizer(d, "").encode("cab!") == Ids{261, '!'});
  CHECK(Tokenizer(d, "").encode("<end>", Tokenizer::Special::as_text).size() == 5);  // never a control token
}

TEST_CASE("the place of invalid UTF-8 counts from the beginning of the text, special tokens and all") {
  try {
    Tokenizer(tiny(), "").encode("<end>abc\xff");
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("byte offset 8") != std::string::npos);
  }
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

TEST_CASE("data that says a thing twice, or half of it, is refused with its ids") {
  TokenizerData d = tiny();
  d.tokens.push_back("ab");
  d.types.push_back(TokenType::normal);
  check_refused(d, "id 256, again 261");
  d.types.back() = TokenType::unused;  // a filler
  CHECK(Tokenizer(d, "").encode("ab") == Ids{256});
  d = tiny();
  d.merges.push_back("b c");
  check_refused(d, "merge 0, again 3");
  d = tiny();
  d.tokens.clear();
  d.types.clear();
  check_refused(d, "tokens 0");
  d = tiny();
  d.ends = {-1};
  check_refused(d, "id -1");
  d = tiny();
  d.add_bos = true;
  check_refused(d, "BOS");
  d = tiny();
  d.add_eos = true;
  d.eos.reset();
  check_refused(d, "EOS");
  d = tiny();
  d.tokens[260] = "\x82";  // would cut characters in two
  check_refused(d, "UTF-8");
}

TEST_CASE("raw bytes with fewer names than bytes, or two special tokens of one text, are refused") {
  TokenizerData d;
  d.kind = TokenizerKind::bytes;
  d.tokens.assign(255, "");
  d.types.assign(255, TokenType::byte);
  check_refused(d, "tokens 255");
  d.tokens.resize(258);
  d.types.resize(258, TokenType::control);
  d.types[255] = TokenType::byte;
  d.tokens[256] = d.tokens[257] = "<end>";
  check_refused(d, "id 256, again 257");
  d.tokens[257] = "<begin>";
  const Tokenizer t(d, "");
  CHECK(t.encode("\xff<begin><end") == Ids{255, 257, '<', 'e', 'n', 'd'});
  CHECK(t.decode({255, 257, 'a'}, true) == "\xff<begin>a");
  d.ends = {-5};
  check_refused(d, "id -5");
}

TEST_CASE("a character without a token is refused with its place, and never becomes a control token") {
  TokenizerData d = tiny();
  d.tokens[0xa9] = "other";
  const auto refusal = [&d](const char* text) -> std::string {
    try {
      Tokenizer(d, "").encode(text);
    } catch (const Error& e) {
      return e.what();
    }
    return "not refused";
  };
  CHECK(refusal("a<end>\xc3\xa9z").find("bytes c3 a9") != std::string::npos);
  CHECK(refusal("a<end>\xc3\xa9z").find("byte offset 6") != std::string::npos);
  d.unknown = 259;
  CHECK(refusal("\xc3\xa9").find("byte offset 0") != std::string::npos);
  d.types[259] = TokenType::unknown;
  CHECK(Tokenizer(d, "").encode("\xc3\xa9") == Ids{0xc3, 259});
}

TEST_CASE("a megabyte of one letter takes no quadratic time") {
  TokenizerData d = tiny();
  d.tokens.push_back("aa");
  d.tokens.push_back("aaaa");
  d.types.resize(d.tokens.size(), TokenType::normal);
  d.merges = {"a a", "aa aa"};
  const Tokenizer t(d, "");
  const auto begin = std::chrono::steady_clock::now();
  CHECK(t.encode(std::string(1 << 20, 'a')).size() == 1 << 18);
  CHECK(t.encode(std::string(1 << 20, ' ') + "a").size() == (1 << 20) + 1);
  // A second is enough even for a sanitized build; quadratic time would be an hour.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}

TEST_CASE("a text on which the pattern gives up is refused, never cut short") {
  TokenizerData d = tiny();
  d.pattern = "llama3";  // tries every end of a run of spaces, beyond PCRE2's limit of ten million
  d.tokens.push_back("\u0120\u0120");
  d.types.push_back(TokenType::normal);
  d.merges = {"\u0120 \u0120"};
  const Tokenizer t(d, "");
  try {
    // With a PCRE2 that does better: the last space goes with the letter, so an odd one is left of the others.
    const std::size_t ids = t.encode(std::string(21U << 20, ' ') + "a").size();
    CHECK(ids == (21U << 19) + 2);
  } catch (const Error& e) {
    CHECK(e.exit() == Exit::request);
    CHECK(std::string(e.what()).find("match limit") != std::string::npos);
  }
}

TEST_CASE("a text in pieces is passed on in whole characters") {
  const std::string text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z";
  for (std::size_t first = 0; first <= text.size(); ++first)
    for (std::size_t second = first; second <= text.size(); ++second) {
      Utf8Stream stream;
      const std::string a = stream.push(text.substr(0, first));
      const std::string b = stream.push(text.substr(first, second - first));
      const std::string c = stream.push(text.substr(second));
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
  Utf8Stream stream;
  for (const char* never : {"\x80", "\xc0", "\xc1", "\xf5", "\xff"}) CHECK(stream.push(never) == r);
  CHECK(stream.push("\xe0") == "");
  CHECK(stream.push("\x80") == r + r);  // overlong: neither byte can become a character any more
  CHECK(stream.push("\xf0\x9f") == "");
  CHECK(stream.push("\x98") == "");
  CHECK(stream.push("z") == r + "z");
  CHECK(stream.finish() == "");
}

TEST_CASE("invalid bytes give the same text in whatever pieces they come") {
  const std::string r = "\xef\xbf\xbd";
  // Overlong forms, a surrogate, beyond U+10FFFF, cut characters, lone continuations: chapter 3 of Unicode, tables 3-8
  // to 3-11.
  const std::pair<std::string, std::string> known[] = {
      {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82" "A", r + r + r + r + r + r + r + r + "A"},
      {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf" "A", r + r + r + r + r + r + r + r + "A"},
      {"\xf4\x91\x92\x93\xff" "A\x80\xbf" "B", r + r + r + r + r + "A" + r + r + "B"},
      {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf" "A", r + r + r + r + "A"}};
  for (const auto& [bytes, text] : known)
    for (std::size_t first = 0; first <= bytes.size(); ++first)
      for (std::size_t second = first; second <= bytes.size(); ++second) {
        Utf8Stream stream;
        std::string out = stream.push(bytes.substr(0, first));
        out += stream.push(bytes.substr(first, second - first));
        out += stream.push(bytes.substr(second));
        CHECK(out + stream.finish() == text);
      }
}
