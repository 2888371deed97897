#include "tsrun/model/tokenizer_data.hpp"

#include <array>
#include <utility>

namespace tsrun {
namespace {

constexpr std::array<std::pair<TokenizerKind, std::string_view>, 5> kinds = {
    {{TokenizerKind::none, "none"}, {TokenizerKind::bytes, "bytes"}, {TokenizerKind::bpe, "bpe"},
     {TokenizerKind::sentencepiece, "sentencepiece"}, {TokenizerKind::unigram, "unigram"}}};

}  // namespace

std::string_view word(TokenizerKind kind) {
  for (const auto& [known, word] : kinds)
    if (known == kind) return word;
  return "unknown";
}

bool from_word(std::string_view wanted, TokenizerKind& out) {
  for (const auto& [kind, word] : kinds)
    if (word == wanted) {
      out = kind;
      return true;
    }
  return false;
}

}  // namespace tsrun
