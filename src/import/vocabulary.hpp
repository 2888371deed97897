// The tokenizer that a GGUF file carries, as data.
#pragma once

#include <cstdint>

#include "tsrun/import/gguf.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// A kind that tsrun does not build is no failure: kind none, with the reason, and the file serves ids. What is damaged
// (an id outside the vocabulary, lists of different lengths) is refused.
TokenizerData read_vocabulary(const Gguf& file, std::int64_t vocabulary);

}  // namespace tsrun
