// Conversations as the text that a model was trained on, by the template that its file carries.
//
// The templates are Hugging Face's, written in Jinja, and what comes out is what apply_chat_template of `transformers`
// makes of them: ChatML, Llama 2 and 3, Mistral, Gemma, Phi-3, and any other that uses no more of Jinja.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class ChatTemplate {
 public:
  // Of the model's template and the texts of its special tokens. Refuses a model without a template, and one that it
  // cannot read, naming the construct and its line; `where` names the file.
  ChatTemplate(const TokenizerData& data, const std::string& where);
  ChatTemplate(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // "chatml", "llama-2", "llama-3", "mistral", "gemma", "phi-3", or "of its own" with the template's first line.
  const std::string& name() const;

 private:
  friend std::string render_chat(const ChatTemplate&, const std::vector<ChatMessage>&, bool, std::time_t);
  struct State;
  std::unique_ptr<const State> state_;
};

// The text of a conversation; with the beginning of an answer where `add_generation_prompt` says so. `now` is for
// templates that tell the model the date. BOS is in the text where the template has it, so encode it without adding
// one, control tokens parsed. Refuses a conversation that the template refuses ("roles must alternate").
std::string render_chat(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                        std::time_t now = std::time(nullptr));

}  // namespace tsrun
