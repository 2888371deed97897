// Byte-pair merges: of all neighbouring tokens that may merge, those of the lowest rank do, the first of them in the
// text, until none may.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pair_table.hpp"
#include "tsrun/model/tokenizer_data.hpp"
#include "vocabulary.hpp"

namespace tsrun {

class Merges {
 public:
  // By the list of merges; where there is none, by score, as SentencePiece has it: any two tokens merge into a third,
  // those into the most probable first. Refuses a merge of tokens that are not there, or one that comes twice.
  Merges(const TokenizerData& data, const IdOf& id_of, const std::string& where);

  // Merges ids[from..], in O(n log n).
  void run(std::vector<std::int32_t>& ids, std::size_t from) const;

 private:
  void read_list(const TokenizerData& data, const IdOf& id_of, const std::string& where);
  void read_scores(const TokenizerData& data, const IdOf& id_of);
  void run_short(std::vector<std::int32_t>& ids, std::size_t from) const;

  PairTable table_;
};

}  // namespace tsrun
