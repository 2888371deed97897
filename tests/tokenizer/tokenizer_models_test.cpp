// The 5,000 lines with the vocabularies of real models: the same ids as Hugging Face's `tokenizers`.
//
// TSRUN_TEST_MODELS names the folder into which export_tokenizer.py took them out of GGUF files. Where it is not set or
// there are none the test says so, and ctest counts it as skipped.
#include <cstdlib>

#include "lines.hpp"

using namespace tsrun::test;

TEST_CASE("vocabularies of real models, where there are some") {
  const char* const folder = std::getenv("TSRUN_TEST_MODELS");
  if (folder == nullptr) {
    MESSAGE("skipped: TSRUN_TEST_MODELS names no folder");
    return;
  }
  int compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".vocab") continue;
    MESSAGE(entry.path().filename().string());
    compare(entry.path());
    ++compared;
  }
  if (compared == 0) MESSAGE("skipped: no .vocab in TSRUN_TEST_MODELS; tests/tokenizer/export_tokenizer.py makes them");
}
