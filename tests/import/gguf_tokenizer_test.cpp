// The tokenizer that a file carries: taken as it is, defaulted by family, or left out with the reason.
#include <doctest/doctest.h>

#include <limits>

#include "../../src/import/gguf_tokenizer.hpp"
#include "refusal.hpp"
#include "small_models.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

TokenizerData tokenizer_of(const GgufImage& image) { return open_image(image)->tokenizer(); }

}  // namespace

TEST_CASE("a byte-level BPE tokenizer is read whole") {
  const TokenizerData t = tokenizer_of(small_llama());
  CHECK(t.kind == TokenizerKind::bpe);
  REQUIRE(t.pre_tokenizer.size() == 2);
  CHECK(t.pre_tokenizer[0].text == R"(\p{N})");
  CHECK(t.tokens.size() == 8);
  CHECK(t.tokens[5] == "ab");
  CHECK(t.types[0] == TokenType::control);
  CHECK(t.types[2] == TokenType::normal);
  CHECK(t.merges == std::vector<std::string>{"a b", "ab c", "b c"});
  CHECK(t.bos == 0);
  CHECK(t.eos == 1);
  CHECK_FALSE(t.unknown);
  CHECK_FALSE(t.pad);
  CHECK(t.ends == std::vector<std::int32_t>{1, 0});  // eos, then the control tokens that end a text by name
  CHECK_FALSE(t.add_bos);
  CHECK_FALSE(t.add_eos);
  CHECK_FALSE(t.ignore_merges);
  CHECK(t.chat_template == "{{ messages }}");
}

TEST_CASE("the pattern goes by name, and with it the family's habits") {
  struct Row {
    const char *pre, *pattern;  // a part of the last pattern
    bool add_bos, ignore_merges, composes;
  };
  for (const Row& row : {Row{"smollm", R"( ?\p{L}+| ?\p{N}+)", false, false, false},
                         Row{"gpt-2", R"( ?\p{L}+| ?\p{N}+)", false, false, false},
                         Row{"default", R"( ?\p{L}+| ?\p{N}+)", false, false, false},
                         Row{"qwen2", R"(]?\p{L}+|\p{N}|)", false, false, true},
                         Row{"command-r", R"( ?\p{L}+| ?\p{N}+)", true, false, true},
                         Row{"falcon", "[0-9][0-9][0-9]", false, false, false},
                         Row{"llama-bpe", R"(]?\p{L}+|\p{N}{1,3}|)", true, true, false}}) {
    GgufImage image = small_llama();
    image.string("tokenizer.ggml.pre", row.pre);
    const TokenizerData t = tokenizer_of(image);
    CHECK(t.kind == TokenizerKind::bpe);
    CHECK(t.pre_tokenizer.back().text.find(row.pattern) != std::string::npos);
    CHECK(t.normalizer.size() == (row.composes ? 1 : 0));
    CHECK(t.add_bos == row.add_bos);
    CHECK(t.ignore_merges == row.ignore_merges);
    image.boolean("tokenizer.ggml.add_bos_token", !row.add_bos);
    image.boolean("tokenizer.ggml.add_eos_token", true);
    CHECK(tokenizer_of(image).add_bos == !row.add_bos);
    CHECK(tokenizer_of(image).add_eos);
  }
}

TEST_CASE("what tsrun does not build is left out with the reason, and the file still opens") {
  const auto reason = [](const GgufImage& image) {
    const TokenizerData t = tokenizer_of(image);
    CHECK(t.kind == TokenizerKind::none);
    CHECK(t.tokens.empty());
    CHECK(t.merges.empty());
    CHECK(t.eos == 1);  // ids still end a text
    CHECK(t.ends == std::vector<std::int32_t>{1});
    return t.reason;
  };
  GgufImage image = small_llama();
  image.string("tokenizer.ggml.model", "llama");
  CHECK(reason(image).find("scores") != std::string::npos);
  image.string("tokenizer.ggml.model", "bert\x01");
  CHECK(reason(image).find("bert\\x01") != std::string::npos);
  image.drop("tokenizer.ggml.model");
  CHECK(reason(image).find("no tokenizer") != std::string::npos);
  image = small_llama();
  image.string("tokenizer.ggml.pre", "kimi-k2");
  CHECK(reason(image).find("kimi-k2") != std::string::npos);
  image.drop("tokenizer.ggml.pre");
  CHECK(reason(image).find("tokenizer.ggml.pre") != std::string::npos);
  image = small_llama();
  image.drop("tokenizer.ggml.merges");
  CHECK(reason(image).find("merges") != std::string::npos);
}

TEST_CASE("SentencePiece's BPE is read with its scores, and with a space before every text unless the file says no") {
  GgufImage image = small_llama();
  image.string("tokenizer.ggml.model", "llama");
  Image scores = GgufImage::array_head(GgufKind::f32, 8);
  for (int i = 0; i < 8; ++i) put(scores, -0.5F * static_cast<float>(i));
  image.set({"tokenizer.ggml.scores", GgufKind::array, scores});
  TokenizerData t = tokenizer_of(image);
  CHECK(t.kind == TokenizerKind::sentencepiece);
  CHECK(t.scores == std::vector<double>{0, -0.5, -1, -1.5, -2, -2.5, -3, -3.5});
  CHECK(t.merges.empty());
  CHECK(t.byte_fallback);
  CHECK(t.add_bos);
  CHECK(t.drop_first_space);
  REQUIRE(t.normalizer.size() == 2);
  CHECK(t.normalizer[0].kind == TextStep::Kind::prepend);
  image.boolean("tokenizer.ggml.add_space_prefix", false);
  t = tokenizer_of(image);
  CHECK_FALSE(t.drop_first_space);
  CHECK(t.normalizer.size() == 1);

  // Phi-3's control tokens take the line's end with them, but for those that Llama 2 has too.
  image.string("general.architecture", "phi3");
  const TokenizerData phi = read_vocabulary(Gguf(bytes_in_memory(image.bytes(), "test.gguf")), 8);
  CHECK(phi.added == std::vector<AddedToken>{{.id = 1, .takes_space_behind = true}});
  image.string("general.architecture", "llama");

  image.set({"tokenizer.ggml.scores", GgufKind::array, GgufImage::array_head(GgufKind::f32, 0)});
  expect_refusal(image, {"scores 0", "tokens 8"});
  image.i32s("tokenizer.ggml.scores", {1, 1, 1, 1, 1, 1, 1, 1});
  expect_refusal(image, {"tokenizer.ggml.scores"});
  scores.resize(scores.size() - 4);
  put(scores, std::numeric_limits<float>::infinity());
  image.set({"tokenizer.ggml.scores", GgufKind::array, scores});
  expect_refusal(image, {"token 7"});
}

TEST_CASE("a byte tokenizer needs no list") {
  GgufImage image = small_palm();
  image.named("token_embd.weight").shape = {32, 257};
  image.named("token_embd.weight").data = counted(257, 32);
  const TokenizerData t = tokenizer_of(image);
  CHECK(t.kind == TokenizerKind::bytes);
  CHECK(t.tokens.empty());
  CHECK(t.eos == 7);
  CHECK(t.ends == std::vector<std::int32_t>{7});
  CHECK_FALSE(t.add_bos);
  CHECK(tokenizer_of(small_palm()).kind == TokenizerKind::none);  // 8 ids are not 256 bytes
  CHECK(tokenizer_of(small_palm()).reason.find("too small") != std::string::npos);
}

TEST_CASE("ends are gathered once each from ids and names") {
  GgufImage image = small_llama();
  image.u32("tokenizer.ggml.eot_token_id", 1);
  image.u32("tokenizer.ggml.eom_token_id", 4);
  image.u32("tokenizer.ggml.unknown_token_id", 2);
  image.u32("tokenizer.ggml.padding_token_id", 3);
  const TokenizerData t = tokenizer_of(image);
  CHECK(t.ends == std::vector<std::int32_t>{1, 4, 0});
  CHECK(t.unknown == 2);
  CHECK(t.pad == 3);
  image.i32s("tokenizer.ggml.token_type", {1, 1, 1, 1, 1, 1, 1, 1});  // a name alone ends nothing
  CHECK(tokenizer_of(image).ends == std::vector<std::int32_t>{1, 4});
  // So many of one name would take many minutes if each were held against all others.
  std::vector<std::string> tokens(1'500'000, "<|im_end|>");
  image.strings("tokenizer.ggml.tokens", tokens);
  image.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>(tokens.size(), 3));
  image.drop("tokenizer.ggml.eot_token_id");
  image.drop("tokenizer.ggml.eom_token_id");
  CHECK(tokenizer_of(image).ends.size() == 8);  // the others have no row
}

TEST_CASE("ids outside the vocabulary and lists that contradict each other are refused") {
  for (const char* const name : {"bos", "eos", "unknown", "padding", "eot", "eom"}) {
    GgufImage image = small_llama();
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    image.u32(key, 8);
    expect_refusal(image, {key, "id 8", "vocabulary 8"});
  }
  GgufImage image = small_llama();
  image.strings("tokenizer.ggml.tokens", {"a", "b"});
  expect_refusal(image, {"tokens 2", "vocabulary 8"});
  image = small_llama();
  image.i32s("tokenizer.ggml.token_type", {1, 1});
  expect_refusal(image, {"types 2", "tokens 8"});
  image.i32s("tokenizer.ggml.token_type", {1, 1, 7, 1, 1, 1, 1, 1});
  expect_refusal(image, {"token 2", "type 7"});
  image.string("tokenizer.ggml.token_type", "1");
  expect_refusal(image, {"tokenizer.ggml.token_type"});
  image = small_llama();
  image.i32s("tokenizer.ggml.merges", {1});
  expect_refusal(image, {"tokenizer.ggml.merges"});
}
