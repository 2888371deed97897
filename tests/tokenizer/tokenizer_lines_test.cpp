// 5,000 nasty lines: the ids that Hugging Face's `tokenizers` gives, and back to the same bytes.
//
// Three small vocabularies of our own, one for each pattern, lie here; make_lines.py made them.
#include "lines.hpp"

using namespace tsrun::test;

TEST_CASE("GPT-2's pattern") { compare(here / "gpt2.vocab"); }
TEST_CASE("SmolLM's pattern: every digit for itself") { compare(here / "smollm.vocab"); }
TEST_CASE("Llama 3's pattern, whole pieces taken as they are") { compare(here / "llama3.vocab"); }
