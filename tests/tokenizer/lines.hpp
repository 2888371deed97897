// The lines of make_lines.py, and the comparison of what a tokenizer makes of them with what it should.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
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

inline std::string fnv(std::string_view bytes) {
  std::uint32_t value = 2166136261U;
  for (const char byte : bytes) value = (value ^ static_cast<unsigned char>(byte)) * 16777619U;
  char out[9];
  std::snprintf(out, sizeof out, "%08x", static_cast<unsigned>(value));
  return out;
}

inline std::string as_bytes(const std::vector<std::int32_t>& ids) {
  std::string out;
  for (const std::int32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8)
      out += static_cast<char>(static_cast<std::uint32_t>(id) >> shift & 255U);
  return out;
}

// `expected` is NAME.ids. Control tokens are read as such, or as text where the reference knows none. `ties` lines may
// have other ids: those with several equally probable divisions, between which rounding decides.
inline void compare(const TokenizerData& data, const std::filesystem::path& expected,
                    Tokenizer::Special special = Tokenizer::Special::parse, int ties = 0) {
  CAPTURE(expected.string());
  const Tokenizer tokenizer(data, expected.string());
  const std::vector<std::string> lines = lines_of(here / "lines.txt"), hashes = lines_of(expected);
  REQUIRE(lines.size() == 5000);
  REQUIRE(hashes.size() == lines.size());
  int wrong_ids = 0, wrong_texts = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string line = unescaped(lines[i]);
    const std::vector<std::int32_t> ids = tokenizer.encode(line, special, false);
    const std::string text = tokenizer.decode(ids, true);
    const std::string of_ids = hashes[i].substr(0, 8), of_text = hashes[i].substr(9);
    const bool same_ids = fnv(as_bytes(ids)) == of_ids;
    const bool same_text = of_text == "=" ? text == line : fnv(text) == of_text;
    if (!same_ids && ++wrong_ids < 5) MESSAGE("line " << i + 1 << " has other ids: " << lines[i].substr(0, 100));
    if (!same_text && ++wrong_texts < 5) MESSAGE("line " << i + 1 << " is another text: " << lines[i].substr(0, 100));
  }
  CHECK(wrong_ids <= ties);
  CHECK(wrong_texts == 0);
}

}  // namespace tsrun::test
