// Any .jsonl file of prompts: refused or read.
//
// Built with clang and -DTSRUN_FUZZ=ON:
//   grep -ohE '"[a-z]{2,60}"' src/cli/prompt_lines.cpp | sort -u > words
//   prompt_lines_fuzz -dict=words -jobs=2 -workers=2 -max_total_time=600 corpus
#include <cstdlib>

#include "../../src/cli/prompt_lines.hpp"
#include "tsrun/core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    tsrun::cli::parse_prompt_lines({reinterpret_cast<const char*>(data), size}, "fuzz.jsonl");
  } catch (const tsrun::Error& error) {
    if (error.exit() != tsrun::Exit::request) std::abort();
    for (const char* c = error.what(); *c != '\0'; ++c)
      if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) std::abort();  // not safe on a terminal
  }
  return 0;
}
