// 5,000 nasty lines: the ids that Hugging Face's `tokenizers` gives, and back to the same bytes.
//
// Three small vocabularies, one for each pattern, lie here; make_lines.py made them. With TSRUN_TEST_MODELS=FOLDER the
// vocabularies that the script took from real models into that folder are tried as well.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tsrun/core/text.hpp"
#include "tsrun/tokenizer/tokenizer.hpp"

using namespace tsrun;

namespace {

const std::filesystem::path here = std::filesystem::path(TSRUN_SOURCE_DIR) / "tests" / "tokenizer";

std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string unescaped(const std::string& line) {
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') out += line[i];
    else out += line[++i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : '\\';
  }
  return out;
}

TokenizerData vocabulary(const std::filesystem::path& path) {
  const std::vector<std::string> lines = lines_of(path);
  TokenizerData data;
  data.kind = TokenizerKind::bpe;
  std::string how, word;
  std::int32_t unknown = -1;
  std::size_t count = 0, at = 1;
  std::istringstream(lines[0]) >> data.pattern >> how >> unknown;
  data.ignore_merges = how == "ignore_merges";
  if (unknown >= 0) data.unknown = unknown;
  std::istringstream(lines[at++]) >> word >> count;
  for (std::size_t i = 0; i < count; ++i, ++at) {
    data.types.push_back(lines[at][0] == '3' ? TokenType::control : TokenType::normal);
    data.tokens.push_back(lines[at].substr(2));
  }
  std::istringstream(lines[at++]) >> word >> count;
  for (std::size_t i = 0; i < count; ++i) data.merges.push_back(lines[at++]);
  return data;
}

std::string fnv(const std::vector<std::int32_t>& ids) {
  std::uint64_t value = 14695981039346656037ULL;
  for (const std::int32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      value = (value ^ ((static_cast<std::uint32_t>(id) >> shift) & 255U)) * 1099511628211ULL;
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(value));
  return out;
}

void compare(const std::filesystem::path& vocab) {
  CAPTURE(vocab.string());
  const TokenizerData data = vocabulary(vocab);
  const Tokenizer tokenizer(data, vocab.string());
  const std::vector<std::string> lines = lines_of(here / "lines.txt");
  const std::vector<std::string> ids = lines_of(std::filesystem::path(vocab).replace_extension(".ids"));
  REQUIRE(lines.size() == 5000);
  REQUIRE(ids.size() == lines.size());
  int wrong = 0, unknown = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string line = unescaped(lines[i]);
    const std::vector<std::int32_t> encoded = tokenizer.encode(line);
    if (fnv(encoded) != ids[i] && ++wrong < 5) MESSAGE("line " << i + 1 << " has other ids: " << lines[i].substr(0, 100));
    // A byte without a token is lost to the unknown one, which the text itself may also name.
    const bool lost = data.unknown && std::count(encoded.begin(), encoded.end(), *data.unknown) > 0 &&
                      line.find(data.tokens[static_cast<std::size_t>(*data.unknown)]) == std::string::npos;
    unknown += lost ? 1 : 0;
    if (!lost) CHECK(tokenizer.decode(encoded, true) == line);
  }
  CHECK(wrong == 0);
  CHECK(unknown < 200);
}

}  // namespace

TEST_CASE("GPT-2's pattern") { compare(here / "gpt2.vocab"); }
TEST_CASE("SmolLM's pattern: every digit for itself") { compare(here / "smollm.vocab"); }
TEST_CASE("Llama 3's pattern, whole pieces taken as they are") { compare(here / "llama3.vocab"); }

TEST_CASE("vocabularies of real models, where there are some") {
  const char* const folder = std::getenv("TSRUN_TEST_MODELS");
  if (folder == nullptr) {
    MESSAGE("skipped: TSRUN_TEST_MODELS names no folder");
    return;
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".vocab") {
      MESSAGE(entry.path().filename().string());
      compare(entry.path());
    }
}
