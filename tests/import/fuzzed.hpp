// What the fuzz targets of this folder share.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/tokenizer/tokenizer.hpp"

namespace tsrun::test {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

// The parts of an input between its zero bytes; the last of `most` keeps its own.
inline std::vector<std::string_view> parts_of(std::string_view input, std::size_t most) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < most && input.find('\0') != std::string_view::npos) {
    parts.push_back(input.substr(0, input.find('\0')));
    input.remove_prefix(parts.back().size() + 1);
  }
  parts.push_back(input);
  return parts;
}

// A bad input is the request's fault, and is called by its name in letters that are safe on any terminal.
inline void require_refusal(const Error& error) {
  require(error.exit() == Exit::request);
  for (const char* c = error.what(); *c != '\0'; ++c) require(*c >= 0x20 && *c < 0x7f);
}

// Builds the tokenizer, or refuses it; a text's ids are all in the vocabulary.
inline void use_tokenizer(const TokenizerData& data) {
  if (data.kind == TokenizerKind::none) return;
  const Tokenizer tokenizer(data, "fuzz");
  constexpr std::string_view text = "abab a\u00e9 e\u0301\n\n<s>ab  12345 don't \u2581\U0001f600<0x0A>";
  const std::vector<std::int32_t> ids = tokenizer.encode(text);
  for (const std::int32_t id : ids)
    require(id >= 0 && (id < std::ssize(data.tokens) || (data.kind == TokenizerKind::bytes && id < 256)));
  tokenizer.decode(ids, true);
}

}  // namespace tsrun::test
