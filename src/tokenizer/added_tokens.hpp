// Added tokens that are written out in a text ("<|im_start|>"): where they stand.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pattern.hpp"
#include "text_steps.hpp"
#include "trie.hpp"

namespace tsrun {

class AddedTokens {
 public:
  // Those control, unknown and user-defined tokens of `data` that are found in normalized text, or those found in the
  // text as it is. Refuses two of one text, and a text that is not UTF-8; `where` names the file.
  AddedTokens(const TokenizerData& data, bool in_normalized_text, const TextSteps& normalizer,
              const std::string& where);

  using Part = std::function<void(std::string_view, std::int32_t)>;
  // Calls part(text, id) for each token, and with -1 for what stands between; none is empty. Of tokens that begin at
  // one place the longest is taken. Control tokens are text where `parse_control` is not set.
  void cut(std::string_view text, bool parse_control, const Part& part) const;

 private:
  struct Found {
    std::size_t begin = 0, end = 0;
    std::int32_t id = -1;
  };
  Found longest_at(std::string_view text, std::size_t at, bool parse_control) const;
  bool touches_word(std::string_view text, const Found& found) const;

  Trie trie_;
  std::vector<bool> is_user_defined_;  // by id
  std::unordered_map<std::int32_t, AddedToken> flags_;
  Pattern word_;
};

}  // namespace tsrun
