// The pieces into which each name of tokenizer.ggml.pre cuts a text, against those of Hugging Face's `tokenizers`.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "../../src/import/text_habits.hpp"
#include "../../src/tokenizer/text_steps.hpp"

using namespace tsrun;
using Pieces = std::vector<std::string>;

namespace {

// Of golden/text_habits.py: a list of {"names": [..], "pieces": [pieces of a text, ..]}.
nlohmann::json golden() {
  std::ifstream in(TSRUN_SOURCE_DIR "/tests/import/golden/text_habits.json");
  REQUIRE(in.good());
  return nlohmann::json::parse(in);
}

Pieces cut(const TextSteps& steps, const std::string& text) {
  Pieces out;
  steps.run(text, true, [&out](std::string_view piece) { out.emplace_back(piece); });
  return out;
}

std::string joined(const Pieces& pieces) {
  std::string out;
  for (const std::string& piece : pieces) out += piece;
  return out;
}

}  // namespace

TEST_CASE("a text is cut as the named family cuts it") {
  std::set<std::string> names;
  for (const auto& family : golden())
    for (const std::string name : family["names"]) {
      CAPTURE(name);
      CHECK(names.insert(name).second);
      const TextHabits* const habits = text_habits_of(name);
      REQUIRE(habits);
      const TextSteps steps(habits->pre_tokenizer, name);
      for (const Pieces pieces : family["pieces"]) CHECK(cut(steps, joined(pieces)) == pieces);
    }
  CHECK(names.size() == 27);
}

TEST_CASE("a name says more than the pattern") {
  CHECK(text_habits_of("olmo")->composes);
  CHECK(text_habits_of("deepseek-r1-qwen")->composes);
  CHECK_FALSE(text_habits_of("dbrx")->composes);
  for (const char* const name : {"tekken", "llama-bpe", "falcon3", "midm-2.0"}) {
    CHECK(text_habits_of(name)->ignore_merges);
    CHECK(text_habits_of(name)->add_bos);
  }
  for (const char* const name : {"dbrx", "smaug-bpe", "gpt-4o", "olmo"}) {
    CHECK_FALSE(text_habits_of(name)->ignore_merges);
    CHECK_FALSE(text_habits_of(name)->add_bos);
  }
  CHECK(text_habits_of("falcon"));
  CHECK_FALSE(text_habits_of("kimi-k2"));
  CHECK_FALSE(text_habits_of(""));
}
