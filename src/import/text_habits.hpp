// What a GGUF file only names in tokenizer.ggml.pre: how a family's byte-level BPE cuts text into pieces, and what else
// its tokenizer does by habit. The names are llama.cpp's; the patterns are those of the families' tokenizer.json.
#pragma once

#include <string_view>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

struct TextHabits {
  std::vector<TextStep> pre_tokenizer;
  bool composes = false;  // the text is in Normalization Form C
  bool ignore_merges = false;
  bool add_bos = false;  // where the file does not say
};

// nullptr for a name that is not known.
const TextHabits* text_habits_of(std::string_view pre);

}  // namespace tsrun
