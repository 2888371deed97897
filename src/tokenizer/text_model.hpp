// From a piece of text to ids: what byte-pair merges and unigram have in common.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

class TextModel {
 public:
  virtual ~TextModel() = default;
  // Appends the ids of a piece, which is valid UTF-8 or, for byte-level BPE, a part of such a text. Throws
  // LackedCharacter.
  virtual void encode(std::string_view piece, std::vector<std::int32_t>& ids) const = 0;
};

// Refuses vocabularies that contradict themselves: a merge of tokens that are not there, a text or a merge that comes
// twice. `data` may go afterwards.
std::unique_ptr<const TextModel> text_model_of(const TokenizerData& data, const std::string& where);

}  // namespace tsrun
