// tokenizer.json, the format of Hugging Face's `tokenizers`: byte-level BPE, SentencePiece's BPE, and unigram.
#pragma once

#include "json.hpp"
#include "tokenizer_steps.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// Vocabulary, merges, preparation, and the ids added before and behind a text; eos, pad and the chat template stand
// elsewhere. Throws UnreadTokenizer; a file that contradicts itself is refused.
TokenizerData read_tokenizer_json(const HfConfig& file);

}  // namespace tsrun
