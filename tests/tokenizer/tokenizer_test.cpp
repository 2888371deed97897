// Merges, special tokens, raw bytes, and texts that come in pieces.
#include "tsrun/tokenizer/tokenizer.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <limits>

#include "../../src/tokenizer/letters.hpp"
#include "tsrun/core/error.hpp"

using namespace tsrun;

namespace {

using Ids = std::vector<std::int32_t>;
using Kind = TextStep::Kind;

constexpr const char* gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const std::string sign = "\u2581";

// All 256 bytes, then "ab", "abc", "bc", then two special tokens.
TokenizerData tiny() {
  TokenizerData d;
  d.kind = TokenizerKind::bpe;
  d.pre_tokenizer = {{.text = gpt2}};
  for (int b = 0; b < 256; ++b) d.tokens.push_back(letter_of_byte(static_cast<unsigned char>(b)));
  for (const char* token : {"ab", "abc", "bc", "<end>", "<end>!"}) d.tokens.push_back(token);
  d.types.assign(d.tokens.size(), TokenType::normal);
  d.types[259] = d.types[260] = TokenType::control;
  d.merges = {"b c", "a b", "ab c"};
  d.eos = 259;
  d.ends = {259};
  return d;
}

std::string times(const char* part, int n) {
  std::string all;
  for (int i = 0; i < n; ++i) all += part;
  return all;
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
  CHECK(tiny().is_end(259));
  CHECK_FALSE(tiny().is_end(260));
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
  const Tokenizer t(d, "");
  CHECK(t.encode("a\xff\x00z") == Ids{'a', 255});  // a C string ends at its zero
  CHECK(t.decode({'a', 255, 256}) == "a\xff");
}

TEST_CASE("digits that are cut out first stand alone, and a space before one is a piece of its own") {
  TokenizerData d = tiny();
  // From 261 on.
  for (const char* token : {"\u0120\u0120", "\u01201", "12", "\u0120a", "1\u0120"}) d.tokens.push_back(token);
  d.types.resize(d.tokens.size(), TokenType::normal);
  d.merges = {"\u0120 \u0120", "\u0120 1", "1 2", "\u0120 a", "1 \u0120"};
  d.pre_tokenizer = {{.text = R"(\p{N})"}, {.text = gpt2}};
  CHECK(Tokenizer(d, "").encode(" 12  1 a") == Ids{' ', '1', '2', 261, '1', 264});
  d.pre_tokenizer = {{.text = gpt2}};
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

TEST_CASE("steps that would make a text without bounds are refused before there is a text") {
  const auto with = [](std::vector<TextStep> steps) {
    TokenizerData d = tiny();
    d.normalizer = std::move(steps);
    return d;
  };
  const TextStep doubles = {.kind = Kind::replace, .text = "a", .other = "aa"}, nfc = {.kind = Kind::nfc};
  CHECK(Tokenizer(with(std::vector<TextStep>(3, doubles)), "").encode("a").size() == 8);
  check_refused(with(std::vector<TextStep>(40, doubles)), "many times as long");
  CHECK(Tokenizer(with(std::vector<TextStep>(64, nfc)), "").encode("ab") == Ids{256});
  check_refused(with(std::vector<TextStep>(100000, nfc)), "absurdly many steps (found 100000, most 64)");
  check_refused(with({{.kind = Kind::prepend, .text = std::string(2000, 'a')}}), "absurdly long");
  TokenizerData d = tiny();
  d.pre_tokenizer = {{.text = times("(?:a|b)", 10000)}};
  check_refused(d, "absurdly long");
}

TEST_CASE("tokens of which too many others are parts are refused where merges follow from them") {
  TokenizerData d;
  d.kind = TokenizerKind::sentencepiece;
  d.tokens = {"a", std::string(1024, 'a')};
  d.types.assign(2, TokenType::normal);
  d.scores.assign(2, -1);
  CHECK(Tokenizer(d, "").encode("aa") == Ids{0, 0});
  d.tokens[1] = std::string(5 << 20, 'a');  // cut everywhere, this takes hours
  check_refused(d, "absurdly long");
}

TEST_CASE("a pattern is read as Oniguruma reads it, or refused") {
  const auto pieces = [](const char* pattern, TextStep::Matches matches, bool inverted, const char* text) {
    TokenizerData d = tiny();
    d.pre_tokenizer = {{.text = pattern, .matches = matches, .inverted = inverted}};
    d.merges = {"b c", "a b", "ab c"};
    return Tokenizer(d, "model.h5").encode(text);
  };
  using Matches = TextStep::Matches;
  CHECK(pieces("b", Matches::isolated, false, "abcab") == Ids{'a', 'b', 'c', 'a', 'b'});
  CHECK(pieces("b", Matches::removed, false, "abcab") == Ids{'a', 'c', 'a'});
  CHECK(pieces("b", Matches::removed, true, "abcab") == Ids{'b', 'b'});
  CHECK(pieces("b", Matches::with_previous, false, "abcab") == Ids{256, 'c', 256});
  CHECK(pieces("b", Matches::with_next, false, "abcab") == Ids{'a', 258, 'a', 'b'});
  CHECK(pieces("[ab]", Matches::together, false, "abcab") == Ids{256, 'c', 256});
  CHECK(pieces(R"(\s)", Matches::removed, false, "a\u180e\u00a0b").size() == 5);  // U+180E is no white space
  CHECK(pieces(R"([^\s])", Matches::removed, true, "a\u2003b") == Ids{'a', 'b'});
  CHECK(pieces(R"(\u0061\x62\x{63}\d\v?)", Matches::removed, false, "abc1") == Ids{});
  CHECK(pieces(R"(\p{Han}|\p{^L}|\P{L})", Matches::removed, false, "a\u4e00\u30fbb1").size() == 2);
  for (const char* bad : {"(?<name>a)", "a{2,3}+", "a{,3}", R"(\w+)", "[a&&b]", "[[:alpha:]]", "^a", R"(\bA)",
                          R"([\S])", "(?i)a", R"(\p{NoScript})", R"(\p{L)", R"(\x{110000000})", R"(\u12)", "[a", "(a", "a*",
                          R"((a)\1)", R"(\)"}) {
    CAPTURE(bad);
    TokenizerData d = tiny();
    d.pre_tokenizer = {{.text = bad}};
    check_refused(d, "pattern");
  }
}

TEST_CASE("steps rewrite a text before and after added tokens are found in it") {
  TokenizerData d = tiny();
  d.tokens.push_back("e\u0301");  // 261, found in normalized text only
  d.types.push_back(TokenType::user_defined);
  d.added = {{.id = 261, .normalized = true}};
  d.normalizer = {{.kind = Kind::nfc}, {.kind = Kind::replace, .text = "z", .other = "ab"}};
  d.pre_tokenizer = {{.kind = Kind::lead_first, .text = "c"}, {.text = gpt2}};
  CHECK(Tokenizer(d, "").encode("\u00e9z") == Ids{261, 256});
  CHECK(Tokenizer(d, "").encode("ze\u0301") == Ids{'c', 256, 261});
  d.pre_tokenizer[0].kind = Kind::lead;
  CHECK(Tokenizer(d, "").encode("e\u0301z<end>c") == Ids{261, 'c', 256, 259, 'c'});
  d.normalizer = {{.kind = Kind::prepend, .text = "c"}};
  CHECK(Tokenizer(d, "").encode("ab<end>") == Ids{'c', 256, 259});
  d.normalizer = {{.kind = Kind::replace, .other = "b"}};
  check_refused(d, "replaces nothing");
  d.pre_tokenizer = {{.kind = Kind::letters}, {.text = "a"}};
  d.normalizer.clear();
  CHECK(Tokenizer(d, "").encode("ab ").size() == 3);
  d.pre_tokenizer.push_back({.kind = Kind::lead, .text = "a"});
  check_refused(d, "letters");
}

TEST_CASE("marks are ordered and composed as Unicode says") {
  TokenizerData d = tiny();
  d.normalizer = {{.kind = Kind::nfc}};
  d.pre_tokenizer.clear();
  const Tokenizer t(d, "");
  const auto composed = [&t](const char* text) { return t.decode(t.encode(text)); };
  CHECK(composed("a\u0308\u0323") == "\u1ea1\u0308");           // the dot below composes first
  CHECK(composed("\u212b\u1e9b\u0323") == "\u00c5\u1e9b\u0323");  // a sign for one other, and marks that stay apart
  CHECK(composed("\u1100\u1161\u11a8\uac00\u11a8") == "\uac01\uac01");  // Hangul
  CHECK(composed("\u0344\u0958") == "\u0308\u0301\u0915\u093c");        // never composed
  CHECK(composed("\u0301a\u0301\u0301") == "\u0301\u00e1\u0301");
}

TEST_CASE("added tokens take space with them, or stand only between words") {
  TokenizerData d = tiny();
  d.tokens.push_back("word");
  d.types.push_back(TokenType::user_defined);
  d.added = {{.id = 259, .takes_space_before = true, .takes_space_behind = true}, {.id = 261, .whole_word = true}};
  const Tokenizer t(d, "");
  CHECK(t.encode("a \u00a0<end>\n\tb<end> ") == Ids{'a', 259, 'b', 259});
  CHECK(t.encode("word -word-") == Ids{261, ' ', '-', 261, '-'});
  CHECK(t.encode("\u00e9word").size() == 6);
  CHECK(t.encode("word_").size() == 5);
  d.added[1].id = 262;
  check_refused(d, "id 262");
}

TEST_CASE("user-defined tokens are part of every text, control tokens only where asked") {
  TokenizerData d = tiny();
  d.types[260] = TokenType::user_defined;
  const Tokenizer t(d, "");
  CHECK(t.encode("<end>!", Tokenizer::Special::as_text) == Ids{260});
  CHECK(t.encode("<end>", Tokenizer::Special::as_text).size() == 5);
}

TEST_CASE("SentencePiece's BPE merges what is most probable, and falls back to bytes") {
  TokenizerData d;
  d.kind = TokenizerKind::sentencepiece;
  d.tokens = {"<unk>", "<s>", sign, "a", "b", "ab", sign + "a", "ba"};
  d.types = {TokenType::unknown, TokenType::control, TokenType::normal, TokenType::normal,
             TokenType::normal,  TokenType::normal,  TokenType::normal, TokenType::normal};
  d.scores = {0, 0, -1, -1, -1, -3, -2, -3};
  d.unknown = 0;
  d.bos = 1;
  d.normalizer = {{.kind = Kind::prepend, .text = sign}, {.kind = Kind::replace, .text = " ", .other = sign}};
  d.drop_first_space = true;
  CHECK(Tokenizer(d, "").encode("ab ab") == Ids{6, 4, 6, 4});
  CHECK(Tokenizer(d, "").encode("bab") == Ids{2, 7, 4});  // of two as probable the first
  CHECK(Tokenizer(d, "").decode({6, 4, 6, 4}) == "ab ab");
  CHECK(Tokenizer(d, "").decode({1, 6}) == "a");
  CHECK(Tokenizer(d, "").decode({1, 6}, true) == "<s> a");
  CHECK(Tokenizer(d, "").encode("a\u00e9\u00e9") == Ids{6, 0, 0});
  d.fuse_unknown = true;
  CHECK(Tokenizer(d, "").encode("a\u00e9\u00e9b") == Ids{6, 0, 4});
  for (int b = 0; b < 256; ++b) {
    char name[7];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
    d.tokens.emplace_back(name);
    d.types.push_back(TokenType::byte);
    d.scores.push_back(0);
  }
  d.byte_fallback = true;
  const Ids bytes = Tokenizer(d, "").encode("\u00e9");
  CHECK(bytes == Ids{2, 8 + 0xc3, 8 + 0xa9});
  CHECK(Tokenizer(d, "").decode(bytes) == "\u00e9");
  CHECK(Tokenizer(d, "").encode("<0x41>").size() == 7);  // no token where it is text
  d.tokens[8 + 9] = "\t";  // as in Gemma 2: one byte is a character in its own right
  d.types[8 + 9] = TokenType::normal;
  CHECK(Tokenizer(d, "").encode("\t\u00e9") == Ids{2, 8 + 9, 8 + 0xc3, 8 + 0xa9});
  d.tokens[8 + 0xa9] = "other";
  CHECK(Tokenizer(d, "").encode("\u00e8\u00e9") == Ids{2, 8 + 0xc3, 8 + 0xa8, 0});
  d.scores[3] = std::numeric_limits<double>::quiet_NaN();
  check_refused(d, "score");
}

TEST_CASE("unigram takes the most probable division") {
  TokenizerData d;
  d.kind = TokenizerKind::unigram;
  d.tokens = {"<unk>", "a", "b", "ab", "abb", "bb"};
  d.types.assign(d.tokens.size(), TokenType::normal);
  d.types[0] = TokenType::unknown;
  d.scores = {0, -2, -2, -3, -7, -1};
  d.unknown = 0;
  CHECK(Tokenizer(d, "").encode("abb") == Ids{1, 5});
  CHECK(Tokenizer(d, "").encode("ab") == Ids{3});
  CHECK(Tokenizer(d, "").encode("xyab\u00e9") == Ids{0, 3, 0});
  d.byte_fallback = true;
  d.tokens[4] = "<0x78>";
  CHECK(Tokenizer(d, "").encode("xx") == Ids{4, 4});
  CHECK(Tokenizer(d, "").encode("xxy") == Ids{0});  // neighbours are one text, of whose bytes one is not there
  d.unknown.reset();
  CHECK_THROWS_AS(Tokenizer(d, "").encode("y"), Error);
  d.scores.pop_back();
  check_refused(d, "scores 5");
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
  d.kind = TokenizerKind::unigram;
  d.scores.assign(d.tokens.size(), -1);
  d.pre_tokenizer.clear();
  const Tokenizer unigram(d, "");
  const auto begin = std::chrono::steady_clock::now();
  CHECK(unigram.encode(std::string(1 << 20, 'a')).size() == 1 << 18);
  CHECK(t.encode(std::string(1 << 20, 'a')).size() == 1 << 18);
  CHECK(t.encode(std::string(1 << 20, ' ') + "a").size() == (1 << 20) + 1);
  // A second is enough even for a sanitized build; quadratic time would be an hour.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(30));
}

TEST_CASE("a text on which the pattern gives up is refused, never cut short") {
  TokenizerData d = tiny();
  // Tries every end of a run of spaces, ten million at most.
  d.pre_tokenizer = {{.text = R"(\s*[\r\n]+|\s+(?!\S)|\s+)"}};
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
