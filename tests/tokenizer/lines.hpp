// The lines of make_lines.py, the vocabularies that lie beside them, and the comparison with the ids they should give.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tsrun/tokenizer/tokenizer.hpp"

namespace tsrun::test {

inline const std::filesystem::path here = std::filesystem::path(TSRUN_SOURCE_DIR) / "tests" / "tokenizer";

inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  REQUIRE(in.good());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::string unescaped(const std::string& line) {
  std::string out;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') out += line[i];
    else out += line[++i] == 'n' ? '\n' : line[i] == 'r' ? '\r' : '\\';
  }
  return out;
}

inline TokenizerData vocabulary(const std::filesystem::path& path) {
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
    data.types.push_back(static_cast<TokenType>(lines[at][0] - '1'));
    data.tokens.push_back(lines[at].substr(2));
  }
  std::istringstream(lines[at++]) >> word >> count;
  for (std::size_t i = 0; i < count; ++i) data.merges.push_back(lines[at++]);
  return data;
}

inline std::string fnv(const std::vector<std::int32_t>& ids) {
  std::uint64_t value = 14695981039346656037ULL;
  for (const std::int32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      value = (value ^ ((static_cast<std::uint32_t>(id) >> shift) & 255U)) * 1099511628211ULL;
  char out[17];
  std::snprintf(out, sizeof out, "%016llx", static_cast<unsigned long long>(value));
  return out;
}

inline void compare(const std::filesystem::path& vocab) {
  CAPTURE(vocab.string());
  const TokenizerData data = vocabulary(vocab);
  const Tokenizer tokenizer(data, vocab.string());
  const std::vector<std::string> lines = lines_of(here / "lines.txt");
  const std::vector<std::string> ids = lines_of(std::filesystem::path(vocab).replace_extension(".ids"));
  REQUIRE(lines.size() == 5000);
  REQUIRE(ids.size() == lines.size());
  int wrong = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string line = unescaped(lines[i]);
    const std::vector<std::int32_t> encoded = tokenizer.encode(line);
    if (fnv(encoded) != ids[i] && ++wrong < 5)
      MESSAGE("line " << i + 1 << " has other ids: " << lines[i].substr(0, 100));
    CHECK(tokenizer.decode(encoded, true) == line);
    CHECK(tokenizer.decode(tokenizer.encode(line, Tokenizer::Special::as_text)) == line);
  }
  CHECK(wrong == 0);
}

}  // namespace tsrun::test
