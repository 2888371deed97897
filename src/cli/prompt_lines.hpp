// The lines of a .jsonl file of prompts: {"id": .., "prompt": ".."} or {"id": .., "messages": [..]}.
#pragma once

#include <string>
#include <vector>

#include "console.hpp"
#include "tsrun/tokenizer/chat.hpp"

namespace tsrun::cli {

struct PromptLine {
  Json id;                            // a text or a whole number, as it is written
  std::string where;                  // the file and its line
  std::string prompt;                 // empty where there are messages
  std::vector<ChatMessage> messages;  // of roles "system", "user", "assistant"
};

// An id as ids are compared: 7 and "7" are one. Empty where it is neither a whole number nor a text of some letters.
std::string id_text(const Json& id);

// All lines of `bytes`, blank ones left out. Refuses (exit 2) a line that is neither form or both, an id that comes
// twice, and messages without a role and a content that are known, naming `path` and the line.
std::vector<PromptLine> parse_prompt_lines(const std::string& bytes, const std::string& path);

}  // namespace tsrun::cli
