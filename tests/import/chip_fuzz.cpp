// Any chip file: refused or read.
//
// Built with clang and -DTSRUN_FUZZ=ON; the corpus are the chips that come with tsrun:
//   cp data/chips/*.json corpus && grep -ohE '"[A-Za-z0-9_]{3,60}"' src/import/chip_file.cpp | sort -u > words
//   chip_fuzz -dict=words -jobs=2 -workers=2 -max_total_time=600 corpus
#include <sys/mman.h>
#include <unistd.h>

#include "fuzzed.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/chip_file.hpp"

using namespace tsrun;
using namespace tsrun::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const int file = memfd_create("chip", 0);
  require(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == static_cast<ssize_t>(size));
  try {
    read_chip(text("/proc/self/fd/", file));
  } catch (const Error& error) {
    require_refusal(error);
  }
  return 0;
}
