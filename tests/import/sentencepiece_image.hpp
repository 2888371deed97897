// A small tokenizer.model, written down field by field.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace tsrun::test {

struct SentencePieceImage {
  struct Piece {
    std::string text;
    float score;
    int type;
  };
  std::vector<Piece> pieces = {{"<unk>", 0, 2}, {"<s>", 0, 3},           {"</s>", 0, 3},
                               {"<0x0A>", 0, 6}, {"\u2581a", -1.5F, 1}, {"\u2581\u2581", 0, 4}};
  int model_type = 2, unknown = 0, bos = 1, eos = 2, pad = -1;
  std::string rule = "identity", map;
  bool byte_fallback = true, leads_with_space = true, removes_spaces = false, escapes_spaces = true;

  std::string bytes() const {
    std::string out;
    for (const Piece& p : pieces) out += message(1, message(1, p.text) + real(2, p.score) + number(3, p.type));
    const std::string trainer = number(3, model_type) + number(35, byte_fallback ? 1 : 0) + number(40, unknown) +
                                number(41, bos) + number(42, eos) + number(43, pad);
    const std::string normalizer = message(1, rule) + message(2, map) + number(3, leads_with_space ? 1 : 0) +
                                   number(4, removes_spaces ? 1 : 0) + number(5, escapes_spaces ? 1 : 0);
    return out + message(2, trainer) + message(3, normalizer);
  }

 private:
  static std::string varint(std::uint64_t value) {
    std::string out;
    for (; value >= 0x80; value >>= 7U) out += static_cast<char>(value | 0x80U);
    return out + static_cast<char>(value);
  }
  static std::string number(unsigned field, int value) {
    return varint(field << 3U) + varint(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)));
  }
  static std::string message(unsigned field, const std::string& content) {
    return varint(field << 3U | 2U) + varint(content.size()) + content;
  }
  static std::string real(unsigned field, float value) {
    std::string bytes(sizeof value, '\0');
    std::memcpy(bytes.data(), &value, sizeof value);
    return varint(field << 3U | 5U) + bytes;
  }
};

}  // namespace tsrun::test
