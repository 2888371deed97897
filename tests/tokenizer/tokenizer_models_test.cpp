// The 5,000 lines with the tokenizers of real models: the same ids as Hugging Face's `tokenizers`, and back again; and
// ten conversations by their chat templates.
//
// TSRUN_TEST_MODELS names a folder with NAME.ids and NAME.chats beside NAME.gguf or a Hugging Face folder NAME;
// export_ids.py and make_chats.py make them. Where there are none the test says so, and ctest counts it as skipped.
#include <chrono>
#include <cstdlib>

#include "chats.hpp"
#include "lines.hpp"
#include "tsrun/import/hf_tokenizer.hpp"
#include "tsrun/import/source.hpp"

using namespace tsrun;
using namespace tsrun::test;
namespace fs = std::filesystem;

namespace {

TokenizerData tokenizer_of(fs::path model) {
  std::vector<std::string> notes;
  if (!fs::is_directory(model)) return open_source(model.replace_extension(".gguf").string())->tokenizer();
  auto data = read_hf_tokenizer(model, notes);
  for (const std::string& note : notes) MESSAGE(note);
  REQUIRE(data);
  return std::move(*data);
}

// Megabytes a second over all lines, twice, for the first pays for memory.
double speed_of(const Tokenizer& tokenizer) {
  std::string all;
  for (const std::string& line : lines_of(here / "lines.txt")) all += line + "\n";
  double best = 0;
  for (int i = 0; i < 2; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK_FALSE(tokenizer.encode(all).empty());
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(all.size()) / seconds.count() / 1e6);
  }
  return best;
}

// What lies in TSRUN_TEST_MODELS with this extension.
std::vector<fs::path> expectations(const char* extension) {
  std::vector<fs::path> found;
  const char* const folder = std::getenv("TSRUN_TEST_MODELS");
  if (folder == nullptr) return found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension) found.push_back(entry.path());
  return found;
}

}  // namespace

TEST_CASE("there are real models to test with") {
  if (expectations(".ids").empty() && expectations(".chats").empty())
    MESSAGE("skipped: TSRUN_TEST_MODELS names no folder with .ids or .chats");
}

TEST_CASE("tokenizers of real models, where there are some") {
  for (const fs::path& expected : expectations(".ids")) {
    const fs::path model = fs::path(expected).replace_extension();
    const auto begin = std::chrono::steady_clock::now();
    const TokenizerData data = tokenizer_of(model);
    const std::chrono::duration<double> read = std::chrono::steady_clock::now() - begin;
    const Tokenizer tokenizer(data, model.string());
    const std::chrono::duration<double> built = std::chrono::steady_clock::now() - begin;
    MESSAGE(model.filename().string() << ": " << data.tokens.size() << " tokens, read in " << read.count()
                                      << " s, built in " << (built - read).count() << " s, " << speed_of(tokenizer)
                                      << " MB/s");
    const bool is_model_file = fs::is_directory(model) && !fs::exists(model / "tokenizer.json");
    compare(data, expected, is_model_file ? Tokenizer::Special::as_text : Tokenizer::Special::parse);
  }
}

TEST_CASE("chat templates of real models, where there are some") {
  for (const fs::path& expected : expectations(".chats")) {
    const nlohmann::json file = read_chats(expected);
    const nlohmann::json& t = file["templates"][0];
    const ChatTemplate chat(with_template(t), expected.string());
    MESSAGE(t["name"].get<std::string>() << ": " << chat.name());
    compare_chats(file, t["name"], chat);
  }
}

TEST_CASE("a real model's template is kept with its tokenizer") {
  for (const fs::path& expected : expectations(".chats")) {
    const fs::path model = fs::path(expected).replace_extension();
    if (!fs::is_directory(model) && !fs::exists(fs::path(expected).replace_extension(".gguf"))) continue;
    const nlohmann::json file = read_chats(expected);
    compare_chats(file, file["templates"][0]["name"], ChatTemplate(tokenizer_of(model), model.string()));
  }
}
