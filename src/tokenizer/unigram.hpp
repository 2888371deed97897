// The unigram model: of all divisions of a piece into tokens the one with the highest sum of log probabilities.
//
// Kudo 2018, section 3.2 (arXiv:1804.10959), found by Viterbi's algorithm. A character without a token costs ten more
// than the least probable token; neighbouring ones are one unknown, or the tokens of their bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text_model.hpp"
#include "trie.hpp"
#include "vocabulary.hpp"

namespace tsrun {

class Unigram final : public TextModel {
 public:
  Unigram(const TokenizerData& data, const IdOf& id_of);
  void encode(std::string_view piece, std::vector<std::int32_t>& ids) const override;

 private:
  struct Step {
    double score = 0;          // of the best division of everything before this place
    std::uint32_t length = 0;  // bytes of its last token; 0 where no division is known
    std::int32_t id = -1;      // of that token, -1 for a character without one
  };
  std::vector<Step> best_steps(std::string_view piece) const;
  void append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const;

  Trie trie_;
  std::vector<double> scores_;
  double unknown_score_;
  std::int32_t unknown_;
  std::array<std::int32_t, 256> of_byte_;
  bool byte_fallback_;
};

}  // namespace tsrun
