// A Hugging Face folder in memory that has a tokenizer.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "refusal.hpp"
#include "small_tokenizers.hpp"
#include "tsrun/import/hf_tokenizer.hpp"

namespace tsrun::test {

inline std::vector<std::byte> as_file(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

struct TokenizerFolder {
  std::map<std::string, std::string> files;
  std::vector<std::string> notes;

  std::optional<TokenizerData> read() {
    std::map<std::string, std::vector<std::byte>> bytes;
    for (const auto& [name, text] : files) bytes[name] = as_file(text);
    return read_hf_tokenizer(*folder_in_memory(std::move(bytes), "test.folder"), notes);
  }
};

inline TokenizerFolder folder_of(const Json& tokenizer) { return {{{"tokenizer.json", tokenizer.dump()}}, {}}; }

inline TokenizerData read_tokenizer(const Json& tokenizer) {
  TokenizerFolder folder = folder_of(tokenizer);
  auto data = folder.read();
  for (const std::string& note : folder.notes) FAIL_CHECK(note);
  REQUIRE(data);
  return std::move(*data);
}

// The note of a tokenizer that is left out.
inline std::string note_of(TokenizerFolder folder) {
  CHECK_FALSE(folder.read());
  REQUIRE(folder.notes.size() == 1);
  return folder.notes[0];
}
inline std::string note_of(const Json& tokenizer) { return note_of(folder_of(tokenizer)); }

}  // namespace tsrun::test
