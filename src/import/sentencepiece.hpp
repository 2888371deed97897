// tokenizer.model, SentencePiece's own format (sentencepiece_model.proto): BPE and unigram.
#pragma once

#include <vector>

#include "tokenizer_steps.hpp"
#include "tsrun/import/bytes.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// Pieces, scores, special ids and how spaces become U+2581. Read are models that change nothing else in a text, as
// those of Llama 2, Mistral and Gemma; of others (nmt_nfkc) the rule is named in an UnreadTokenizer. A damaged file is
// refused.
TokenizerData read_sentencepiece(const Bytes& file);

// What such a tokenizer does to a text: a space before the whole where it `leads_with_space`, and each is space_sign.
std::vector<TextStep> sentencepiece_steps(bool leads_with_space);

}  // namespace tsrun
