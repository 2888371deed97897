// Patterns that GGUF files and tokenizer.json only name, in Oniguruma's syntax.
#pragma once

namespace tsrun {

// GPT-2's, which ByteLevel stands for.
inline constexpr const char* gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
inline constexpr const char* digit_pattern = R"(\p{N})";
// Unicode's punctuation, and the signs of ASCII that are none there.
inline constexpr const char* punctuation_pattern = R"([\p{P}$+<=>\^`|~])";

}  // namespace tsrun
