// The tokenizer that a GGUF file carries, as data.
#pragma once

#include <cstdint>

#include "tsrun/import/gguf.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// A kind that tsrun does not build is no failure: kind none, with the reason, and the file serves ids. What is damaged
// (an id outside the vocabulary, lists of different lengths, fewer tokens than ids) is refused; there may be more
// tokens than the `vocabulary` rows of the embedding, for drop_rowless_tokens.
TokenizerData read_vocabulary(const Gguf& file, std::int64_t vocabulary);

}  // namespace tsrun
