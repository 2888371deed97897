// Any tokenizer.json or tokenizer.model: refused, left out, or read; and what is read builds a tokenizer or is refused,
// whose ids are all in the vocabulary.
//
// An input that begins with { is a tokenizer.json, behind a zero byte a tokenizer_config.json; any other a
// tokenizer.model. Built with clang and -DTSRUN_FUZZ=ON (AddressSanitizer and UndefinedBehaviorSanitizer with it):
//   tokenizer_seeds corpus && tokenizer_fuzz -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cstdlib>
#include <map>
#include <string_view>

#include "tsrun/core/error.hpp"
#include "tsrun/import/hf_tokenizer.hpp"
#include "tsrun/tokenizer/tokenizer.hpp"

namespace {

using namespace tsrun;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

std::unique_ptr<const Folder> folder_of(std::string_view input) {
  std::map<std::string, std::vector<std::byte>> files;
  if (!input.starts_with('{')) {
    files["tokenizer.model"] = bytes_of(input);
  } else {
    const std::size_t zero = input.find('\0');
    files["tokenizer.json"] = bytes_of(input.substr(0, zero));
    if (zero != std::string_view::npos) files["tokenizer_config.json"] = bytes_of(input.substr(zero + 1));
  }
  return folder_in_memory(std::move(files), "fuzz");
}

void use(const TokenizerData& data) {
  if (data.kind == TokenizerKind::none) return;
  const Tokenizer tokenizer(data, "fuzz");
  constexpr std::string_view text = "abab a\u00e9 e\u0301\n\n<s>ab  12345 don't \u2581\U0001f600<0x0A>";
  const std::vector<std::int32_t> ids = tokenizer.encode(text);
  for (const std::int32_t id : ids) require(id >= 0 && id < std::ssize(data.tokens));
  tokenizer.decode(ids, true);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> notes;
  try {
    const auto read = read_hf_tokenizer(*folder_of({reinterpret_cast<const char*>(data), size}), notes);
    require(read.has_value() == notes.empty());
    if (read) use(*read);
  } catch (const Error& error) {
    require(error.exit() == Exit::request);
    for (const char* c = error.what(); *c != '\0'; ++c) require(*c >= 0x20 && *c < 0x7f);  // safe on any terminal
  }
  return 0;
}
