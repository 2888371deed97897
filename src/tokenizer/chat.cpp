#include "tsrun/tokenizer/chat.hpp"

#include "jinja.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/tokenizer/chat_name.hpp"

namespace tsrun {
namespace {

struct Family {
  std::string_view name, sign;  // a text that only templates of this family write
};
constexpr Family families[] = {{"chatml", "<|im_start|>"}, {"llama-3", "<|start_header_id|>"}, {"llama-2", "<<SYS>>"},
                               {"mistral", "[INST]"},      {"gemma", "<start_of_turn>"},       {"phi-3", "<|end|>"}};

constexpr const char* raw_form = "give the whole text that the model expects as a prompt, without --chat";

// What a template does to a text it does to whole characters.
void require_utf8(std::string_view text, const char* what, const std::string& where) {
  const auto invalid = invalid_utf8(text);
  if (invalid)
    refuse({.what = std::string(what) + " is not valid UTF-8", .where = where,
            .numbers = {{"byte offset", static_cast<std::int64_t>(*invalid)}}, .next = "convert it to UTF-8"});
}

[[noreturn]] void refuse_fault(const jinja::Fault& fault, const std::string& name, const char* cannot,
                               const std::string& where, const std::string& next) {
  Numbers numbers;
  if (fault.line > 0) numbers = {{"line of the template", fault.line}};
  refuse({.what = text("the model's chat template (", name, ") cannot ", cannot, ": ", printable(fault.what)),
          .where = where, .numbers = std::move(numbers), .next = next});
}

jinja::Dict texts_of_tokens(const TokenizerData& data, const std::string& where) {
  jinja::Dict texts;
  const auto add = [&](const char* variable, std::optional<std::int32_t> id) {
    if (!id || *id < 0 || *id >= std::ssize(data.tokens)) return;
    const std::string& token = data.tokens[static_cast<std::size_t>(*id)];
    require_utf8(token, "the text of a special token", where);
    texts.emplace_back(variable, token);
  };
  add("bos_token", data.bos);
  add("eos_token", data.eos);
  add("pad_token", data.pad);
  add("unk_token", data.unknown);
  return texts;
}

}  // namespace

struct ChatTemplate::State {
  std::string name, where;
  jinja::Template source;
  jinja::Dict tokens;  // bos_token, eos_token and so on
};

std::string chat_name(const std::string& source) {
  for (const Family& family : families)
    if (source.find(family.sign) != std::string::npos) return std::string(family.name);
  return "of its own, " + printable(source.substr(0, source.find('\n')));
}

ChatTemplate::ChatTemplate(const TokenizerData& data, const std::string& where) {
  if (data.chat_template.empty())
    refuse({.what = "the model has no chat template", .where = where,
            .next = raw_form});
  require_utf8(data.chat_template, "the model's chat template", where);
  const std::string name = chat_name(data.chat_template);
  try {
    state_.reset(new State{name, where, jinja::Template(data.chat_template), texts_of_tokens(data, where)});
  } catch (const jinja::Fault& fault) {
    refuse_fault(fault, name, "be read", where, raw_form);
  }
}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

const std::string& ChatTemplate::name() const { return state_->name; }

std::string render_chat(const ChatTemplate& chat, const std::vector<ChatMessage>& messages, bool add_generation_prompt,
                        std::time_t now) {
  jinja::List list;
  for (const ChatMessage& m : messages) {
    require_utf8(m.role, "a role", "the conversation");
    require_utf8(m.content, "a message", "the conversation");
    list.emplace_back(jinja::Dict{{"role", m.role}, {"content", m.content}});
  }
  jinja::Dict variables = chat.state_->tokens;
  variables.emplace_back("messages", std::move(list));
  variables.emplace_back("tools", jinja::Value::None{});
  variables.emplace_back("documents", jinja::Value::None{});
  variables.emplace_back("add_generation_prompt", add_generation_prompt);
  try {
    return chat.state_->source.run(variables, now);
  } catch (const jinja::Fault& fault) {
    refuse_fault(fault, chat.state_->name, "write this conversation", chat.state_->where,
                 text("change the conversation, or ", raw_form));
  }
}

}  // namespace tsrun
