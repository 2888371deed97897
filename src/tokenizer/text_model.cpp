#include "text_model.hpp"

#include "bpe.hpp"
#include "unigram.hpp"
#include "vocabulary.hpp"

namespace tsrun {

std::unique_ptr<const TextModel> text_model_of(const TokenizerData& data, const std::string& where) {
  const IdOf id_of = ids_by_text(data, where);
  switch (data.kind) {
    case TokenizerKind::bpe: return std::make_unique<ByteLevelBpe>(data, id_of, where);
    case TokenizerKind::sentencepiece: return std::make_unique<CharacterBpe>(data, id_of, where);
    case TokenizerKind::unigram: return std::make_unique<Unigram>(data, id_of);
    case TokenizerKind::none:
    case TokenizerKind::bytes: break;
  }
  check(false, "bytes need no model of text");
  return nullptr;
}

}  // namespace tsrun
