// Tokens without a row in the embedding: added ones are left out with a note, any other tells of a foreign tokenizer.
#include <doctest/doctest.h>

#include "../../src/import/rowless_tokens.hpp"
#include "refusal.hpp"
#include "small_folders.hpp"
#include "small_tokenizers.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

constexpr std::int32_t normal = 1, control = 3, user_defined = 4, unused = 5, byte = 6;

// Eight rows, and tokens of these types behind the eight that have one. The last of them would end a text.
GgufImage with_further_tokens(const std::vector<std::int32_t>& further) {
  GgufImage image = small_llama();
  std::vector<std::string> tokens = {"<|endoftext|>", "<|im_end|>", "a", "b", "c", "ab", "abc", "bc"};
  std::vector<std::int32_t> types = {3, 3, 1, 1, 1, 1, 1, 1};
  for (const std::int32_t type : further) {
    tokens.push_back("<further " + std::to_string(tokens.size()) + ">");
    types.push_back(type);
  }
  tokens.back() = "<end_of_turn>";
  image.strings("tokenizer.ggml.tokens", tokens);
  image.i32s("tokenizer.ggml.token_type", types);
  return image;
}

// Eight rows; a, b, ab, <s>, and the added tokens 4, 5, ..
HfImage with_added_tokens(int last) {
  Json tokenizer = small_tokenizer();
  for (int id = 4; id <= last; ++id)
    tokenizer["added_tokens"].push_back(
        {{"id", id}, {"content", "<added " + std::to_string(id) + ">"}, {"special", true}, {"lstrip", true}});
  HfImage image = small_hf_llama();
  image.others["tokenizer.json"] = image_of(tokenizer.dump());
  return image;
}

}  // namespace

TEST_CASE("added tokens of a GGUF file that have no row are left out, and that is said") {
  const auto source = open_image(with_further_tokens({user_defined, unused, control}));
  const TokenizerData& t = source->tokenizer();
  CHECK(t.tokens.size() == 8);
  CHECK(t.types.size() == 8);
  CHECK(t.tokens.back() == "bc");
  CHECK(t.ends == std::vector<std::int32_t>{1, 0});  // <end_of_turn> is not among them
  REQUIRE(source->notes().size() == 1);
  CHECK(source->notes()[0].find("3 added tokens from id 8 (<further 8>)") != std::string::npos);
}

TEST_CASE("their scores go with them") {
  GgufImage image = with_further_tokens({control});
  image.string("tokenizer.ggml.model", "llama");
  Image scores = GgufImage::array_head(GgufKind::f32, 9);
  for (int i = 0; i < 9; ++i) put(scores, static_cast<float>(-i));
  image.set({"tokenizer.ggml.scores", GgufKind::array, scores});
  CHECK(open_image(image)->tokenizer().scores == std::vector<double>{0, -1, -2, -3, -4, -5, -6, -7});
}

TEST_CASE("tokens of the vocabulary proper that have no row make the tokenizer another model's") {
  expect_refusal(with_further_tokens({normal}), {"<end_of_turn>", "id 8", "tokens 9", "rows 8"});
  expect_refusal(with_further_tokens({control, byte, control}), {"<further 9>", "id 9", "tokens 11", "rows 8"});
}

TEST_CASE("a Hugging Face folder is read alike") {
  const auto all = with_added_tokens(7).open();
  CHECK(all->notes().empty());
  CHECK(all->tokenizer().tokens.size() == 8);
  CHECK(all->tokenizer().added.size() == 4);
  const auto cut = with_added_tokens(9).open();
  CHECK(cut->tokenizer() == all->tokenizer());
  REQUIRE(cut->notes().size() == 1);
  CHECK(cut->notes()[0].find("2 added tokens from id 8 (<added 8>)") != std::string::npos);
}

TEST_CASE("what the tokenizer refers to needs a row, but for padding") {
  const auto dropped = [](std::optional<std::int32_t> TokenizerData::*id) {
    TokenizerData data;
    data.tokens = {"a", "<x>"};
    data.types = {TokenType::normal, TokenType::control};
    data.*id = 1;
    std::vector<std::string> notes;
    drop_rowless_tokens(data, 1, "test.gguf", notes);
    return data;
  };
  expect_refusal([&] { dropped(&TokenizerData::bos); }, {"BOS", "id 1", "rows 1"});
  expect_refusal([&] { dropped(&TokenizerData::eos); }, {"EOS", "id 1", "rows 1"});
  expect_refusal([&] { dropped(&TokenizerData::unknown); }, {"unknown", "id 1", "rows 1"});
  CHECK_FALSE(dropped(&TokenizerData::pad).pad);
}
