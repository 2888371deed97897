// Any tokenizer.json or tokenizer.model: refused, left out, or read; and what is read builds a tokenizer or is refused,
// whose ids are all in the vocabulary.
//
// An input that begins with { is a tokenizer.json, any other a tokenizer.model, whose length stands before it in four
// bytes. Behind them, a zero byte before each, come the files that say more about it (`others` below).
// Built with clang and -DTSRUN_FUZZ=ON; its words are the strings of the reader's source:
//   tokenizer_seeds corpus tests/tokenizer && grep -ohE '"[A-Za-z0-9_.|<>]{3,60}"' src/import/*.cpp | sort -u > words
//   tokenizer_fuzz -dict=words -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cstring>
#include <map>

#include "fuzzed.hpp"
#include "tsrun/import/hf_tokenizer.hpp"

namespace {

using namespace tsrun;
using namespace tsrun::test;

constexpr const char* others[] = {"tokenizer_config.json", "generation_config.json", "special_tokens_map.json",
                                  "config.json", "chat_template.jinja"};

std::unique_ptr<const Folder> folder_of(std::string_view input) {
  std::map<std::string, std::vector<std::byte>> files;
  if (!input.starts_with('{') && input.size() > sizeof(std::uint32_t)) {
    std::uint32_t size = 0;
    std::memcpy(&size, input.data(), sizeof size);
    input.remove_prefix(sizeof size);
    files["tokenizer.model"] = bytes_of(input.substr(0, size));
    input.remove_prefix(std::min<std::size_t>(size, input.size()));
  }
  const std::vector<std::string_view> parts = parts_of(input, std::size(others) + 1);
  if (parts[0].starts_with('{')) files["tokenizer.json"] = bytes_of(parts[0]);
  for (std::size_t i = 1; i < parts.size(); ++i)
    if (!parts[i].empty()) files[others[i - 1]] = bytes_of(parts[i]);
  return folder_in_memory(std::move(files), "fuzz");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> notes;
  try {
    const auto read = read_hf_tokenizer(*folder_of({reinterpret_cast<const char*>(data), size}), notes);
    require(read.has_value() == notes.empty());
    if (read) use_tokenizer(*read);
  } catch (const Error& error) {
    require_refusal(error);
  }
  return 0;
}
