// The lines of a .jsonl file of prompts: {"id": .., "prompt": ".."} or {"id": .., "messages": [..]}.
#pragma once

#include <string>
#include <vector>

#include "tsrun/tokenizer/chat.hpp"

namespace tsrun::cli {

struct PromptLine {
  std::string id;
  std::string where;                  // the file and its line
  std::string prompt;                 // empty where there are messages
  std::vector<ChatMessage> messages;  // of roles "system", "user", "assistant"
};

// All lines of `bytes`, blank ones left out. Refuses (exit 2) a line that is neither form or both, an id that comes
// twice, and messages without a role and a content that are known, naming `path` and the line.
std::vector<PromptLine> parse_prompt_lines(const std::string& bytes, const std::string& path);

}  // namespace tsrun::cli
