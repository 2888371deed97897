#include "prompt_lines.hpp"

#include <set>
#include <sstream>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

constexpr const char* two_forms = "write {\"id\": .., \"prompt\": \"..\"} or {\"id\": .., \"messages\": [..]} on every line";
constexpr const char* message_form = "write {\"role\": \"system|user|assistant\", \"content\": \"..\"} for every message";

ChatMessage parse_message(const Json& message, const std::string& where) {
  const auto bad = [&where](const std::string& what) { refuse({.what = what, .where = where, .next = message_form}); };
  if (!message.is_object()) bad("the message is not a JSON object");
  for (const char* const field : {"role", "content"})
    if (!message.contains(field) || !message[field].is_string()) bad(text("the message has no \"", field, "\" text"));
  // A template may read more (tool calls); to leave it out unsaid would be another conversation.
  for (const auto& [field, value] : message.items())
    if (field != "role" && field != "content") bad(text("the message has ", Json(field).dump(), ", which is not read"));
  ChatMessage parsed{message["role"].get<std::string>(), message["content"].get<std::string>()};
  if (parsed.role != "system" && parsed.role != "user" && parsed.role != "assistant")
    bad(text("the role ", message["role"].dump(), " is unknown"));
  return parsed;
}

std::vector<ChatMessage> parse_messages(const Json& messages, const std::string& where) {
  if (!messages.is_array() || messages.empty())
    refuse({.what = "\"messages\" is not a list of at least one message", .where = where, .next = message_form});
  std::vector<ChatMessage> parsed;
  for (const Json& message : messages)
    parsed.push_back(parse_message(message, text(where, ", message ", parsed.size() + 1)));
  return parsed;
}

Json parse_id(const Json& line, const std::string& where) {
  const auto bad = [&where](const std::string& what) {
    refuse({.what = what, .where = where, .next = "write a text or a whole number below 2^64 as the \"id\""});
  };
  if (!line.contains("id")) bad("the line has no \"id\"");
  const Json& id = line["id"];
  if (id.is_string() && id_text(id).empty()) bad("the id is empty");
  if (id.is_number() && id_text(id).empty()) bad(text("the id ", id.dump(), " is no whole number below 2^64"));
  if (id_text(id).empty()) bad(text("the id is neither a text nor a number, it is: ", id.type_name()));
  return id;
}

PromptLine parse_line(const std::string& line, const std::string& where) {
  const Json parsed = Json::parse(line, nullptr, false);
  const auto bad = [&where](const char* what) { refuse({.what = what, .where = where, .next = two_forms}); };
  if (!parsed.is_object()) bad("the line is not a JSON object");
  PromptLine out{parse_id(parsed, where), where, {}, {}};
  if (!parsed.contains("messages")) {
    if (!parsed.contains("prompt") || !parsed["prompt"].is_string())
      bad("the line has neither a \"prompt\" text nor \"messages\"");
    out.prompt = parsed["prompt"].get<std::string>();
    return out;
  }
  if (parsed.contains("prompt")) bad("the line has both \"prompt\" and \"messages\"");
  out.messages = parse_messages(parsed["messages"], where);
  return out;
}

}  // namespace

std::string id_text(const Json& id) {
  if (id.is_string()) return id.get<std::string>();
  return id.is_number_integer() ? id.dump() : "";
}

std::vector<PromptLine> parse_prompt_lines(const std::string& bytes, const std::string& path) {
  std::vector<PromptLine> lines;
  std::set<std::string> seen;
  std::istringstream in(bytes);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    lines.push_back(parse_line(line, text(path, ", line ", number)));
    const std::string id = id_text(lines.back().id);
    if (!seen.insert(id).second)
      refuse({.what = text("the id \"", id, "\" comes twice"),
              .where = lines.back().where,
              .next = "give every prompt an id of its own"});
  }
  return lines;
}

}  // namespace tsrun::cli
