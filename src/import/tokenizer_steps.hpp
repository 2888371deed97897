// The parts of a tokenizer.json around its vocabulary: how a text is prepared, what is added to its ids, and what
// becomes of the texts of tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hf_config.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

// Thrown for what tsrun does not build; the model serves ids then.
struct UnreadTokenizer {
  std::string reason;  // "the normalizer Precompiled is not read yet"
};
[[noreturn]] void unread(std::string_view part, std::string_view name);

// A pattern, in Oniguruma's syntax, that matches this text and nothing else.
std::string literal_pattern(std::string_view text);
// Metaspace: spaces become `of_space`, mostly space_sign, with which each word begins.
enum class Lead : std::uint8_t { never, first, always };
std::vector<TextStep> metaspace_steps(std::string_view of_space, Lead lead, bool split);

struct PreTokenizer {
  std::vector<TextStep> steps;
  bool byte_level = false;
};
struct Decoder {
  bool byte_level = false, byte_tokens = false, drops_first_space = false;
};
struct AddedIds {
  std::optional<std::int32_t> before, behind;
};

// `file` is the whole of tokenizer.json.
std::vector<TextStep> read_normalizer(const HfConfig& file);
PreTokenizer read_pre_tokenizer(const HfConfig& file);
Decoder read_decoder(const HfConfig& file);
AddedIds read_post_processor(const HfConfig& file);

// The objects of a list; a value that is none is refused by its name.
std::vector<HfConfig> objects_of(const HfConfig& json, std::string_view key);

}  // namespace tsrun
