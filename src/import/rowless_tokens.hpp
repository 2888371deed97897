// Tokens beyond the rows of the embedding. A model that was cut out of a larger one may keep the larger one's
// tokenizer: Gemma 3's text models have 262,144 rows, their tokenizer ends in <image_soft_token>, id 262,144.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// Leaves such tokens out, with a note, where all of them were added to the vocabulary (control, user-defined, unused):
// no id without a row can be fed to the model, and no text needs one. Refuses a token of the vocabulary proper, and BOS,
// EOS or the unknown token among those without a row: the tokenizer is another model's. `where` names the file.
void drop_rowless_tokens(TokenizerData& data, std::int64_t rows, const std::string& where,
                         std::vector<std::string>& notes);

}  // namespace tsrun
