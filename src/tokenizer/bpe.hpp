// Byte-pair merges: a piece of text to ids.
//
// A piece begins as its bytes; the pair of neighbours with the lowest rank is merged until no pair has one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

class Bpe {
 public:
  // Refuses vocabularies that contradict themselves: a merge of tokens that are not there, a text or a merge that comes
  // twice. Not a byte without a token: SmolLM2 lacks 21, six of them control characters that a text may have. Such a
  // byte becomes the unknown token, unless there is none or it is a control token, which would be read as an order.
  Bpe(const TokenizerData& data, const std::string& where);
  // Where the first byte stands that becomes no token, if there is one.
  std::optional<std::size_t> first_lacked(std::string_view text) const;
  void encode(std::string_view piece, std::vector<std::int32_t>& ids) const;  // of a piece that lacks none

 private:
  using IdOf = std::unordered_map<std::string_view, std::int32_t>;
  struct Merge {
    std::int32_t rank = 0, id = 0;
  };
  static std::uint64_t pair(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }
  void read_merges(const TokenizerData& data, const IdOf& id_of, const std::string& where);
  void merge(std::string_view piece, std::vector<std::int32_t>& ids) const;

  std::array<std::int32_t, 256> of_byte_{};  // -1 where there is none
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::unordered_map<std::string, std::int32_t> whole_;  // by bytes, where whole pieces are taken as they are
};

// GPT-2's alphabet: every byte as a printable character. The text of a token back to its bytes; false if a character
// is not of the alphabet.
bool bytes_of_token(std::string_view text, std::string& bytes);
std::string letter_of_byte(unsigned char byte);

}  // namespace tsrun
