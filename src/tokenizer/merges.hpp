// Byte-pair merges: of all neighbouring tokens that may merge, those of the lowest rank do, the first of them in the
// text, until none may.
//
// A text of SentencePiece's is one piece, so it is cut first where no merge can ever join two characters, as before
// most spaces: what happens on one side of such a place changes nothing on the other.
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

  // Merges ids[from..], the ids of single characters or bytes, in O(n log n).
  void run(std::vector<std::int32_t>& ids, std::size_t from) const;

 private:
  void read_list(const TokenizerData& data, const IdOf& id_of, const std::string& where);
  void read_scores(const TokenizerData& data, const IdOf& id_of, const std::string& where);
  void find_joints(const TokenizerData& data, const IdOf& id_of);
  // Both merge id[0..n) in place, and return how many are left.
  std::size_t merge_few(std::int32_t* id, std::size_t n) const;
  std::size_t merge_many(std::int32_t* id, std::size_t n) const;

  PairTable table_;
  PairTable joints_;  // last character of a left token, first of a right one
};

}  // namespace tsrun
