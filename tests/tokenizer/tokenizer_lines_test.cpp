// 5,000 nasty lines: the ids that Hugging Face's `tokenizers` and SentencePiece give, and the text that they give back.
//
// Small tokenizers of our own, one for each kind of preparation, lie here; make_lines.py made them.
#include "lines.hpp"
#include "tsrun/import/hf_tokenizer.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

void compare_with(const std::string& name, Tokenizer::Special special = Tokenizer::Special::parse, int ties = 0) {
  std::vector<std::string> notes;
  const auto data = read_hf_tokenizer(here / name, notes);
  REQUIRE(data);
  CHECK(notes.empty());
  compare(*data, here / (name + ".ids"), special, ties);
}

}  // namespace

TEST_CASE("GPT-2's pattern") { compare_with("gpt2"); }
TEST_CASE("SmolLM's pattern: every digit for itself") { compare_with("smollm"); }
TEST_CASE("Llama 3's pattern, whole pieces taken as they are") { compare_with("llama3"); }
TEST_CASE("Qwen's pattern, on composed characters") { compare_with("qwen2"); }
TEST_CASE("Falcon's four steps, two of them on the letters of bytes") { compare_with("falcon"); }
TEST_CASE("SentencePiece's BPE with a space before every text, as Llama 2") { compare_with("llama2"); }
TEST_CASE("SentencePiece's BPE without bytes, cut behind spaces") { compare_with("gemma"); }
TEST_CASE("unigram") { compare_with("unigram"); }
TEST_CASE("a tokenizer.model: BPE by scores") { compare_with("mistral_model", Tokenizer::Special::as_text); }
TEST_CASE("a tokenizer.model: symbols of its user") { compare_with("gemma_model", Tokenizer::Special::as_text); }
// SentencePiece adds in f32; two lines repeat one or two letters hundreds of times.
TEST_CASE("a tokenizer.model: unigram") { compare_with("unigram_model", Tokenizer::Special::as_text, 2); }
