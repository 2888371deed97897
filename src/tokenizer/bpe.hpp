// Byte-pair encoding: a piece begins as its bytes or characters, and neighbours merge.
//
// A byte or a character without a token is no fault of the model: SmolLM2 lacks 21 bytes, six of them control
// characters that a text may have. It becomes the tokens of its bytes, where the model has those, or the unknown one.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "merges.hpp"
#include "text_model.hpp"
#include "vocabulary.hpp"

namespace tsrun {

// What both kinds share: merging, and whole pieces that are taken as they are.
class Bpe : public TextModel {
 public:
  void encode(std::string_view piece, std::vector<std::int32_t>& ids) const final;

 protected:
  Bpe(const TokenizerData& data, const IdOf& id_of, const std::string& where)
      : unknown_(unknown_token(data)), merges_(data, id_of, where) {}
  void add_whole(std::string piece, std::int32_t id) { whole_.emplace(std::move(piece), id); }

  const std::int32_t unknown_;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  virtual void begin(std::string_view piece, std::vector<std::int32_t>& ids) const = 0;  // the ids before any merge

  Merges merges_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> whole_;  // pieces that are taken as they are
};

class ByteLevelBpe final : public Bpe {
 public:
  ByteLevelBpe(const TokenizerData& data, const IdOf& id_of, const std::string& where);

 private:
  void begin(std::string_view piece, std::vector<std::int32_t>& ids) const override;

  std::array<std::int32_t, 256> of_byte_{};  // -1 where there is none
};

class CharacterBpe final : public Bpe {
 public:
  CharacterBpe(const TokenizerData& data, const IdOf& id_of, const std::string& where);

 private:
  void begin(std::string_view piece, std::vector<std::int32_t>& ids) const override;

  std::unordered_map<char32_t, std::int32_t> of_character_;
  const std::array<std::int32_t, 256> of_byte_;  // <0x00>..<0xFF>
  const bool byte_fallback_, fuse_unknown_;
};

}  // namespace tsrun
