#include "tokenizer_steps.hpp"

#include <cctype>
#include <limits>

#include "common_patterns.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

using Kind = TextStep::Kind;
using Matches = TextStep::Matches;

struct Behavior {
  std::string_view name;
  Matches matches;
};
constexpr Behavior behaviors[] = {{"Isolated", Matches::isolated},
                                  {"Removed", Matches::removed},
                                  {"MergedWithPrevious", Matches::with_previous},
                                  {"MergedWithNext", Matches::with_next},
                                  {"Contiguous", Matches::together}};

Matches matches_of(const std::string& name) {
  for (const Behavior& b : behaviors)
    if (b.name == name) return b.matches;
  unread("behavior", name);
}

std::string type_of(const HfConfig& part) { return part.string("type").value_or("without a type"); }

// {"String": ".."} or {"Regex": ".."}
struct HfPattern {
  std::optional<std::string> text, regex;
};
HfPattern pattern_of(const HfConfig& part) {
  const auto pattern = part.object("pattern");
  if (!pattern) unread("pattern of", type_of(part));
  return {pattern->string("String"), pattern->string("Regex")};
}

std::string content_of(const HfConfig& part) { return part.string("content").value_or(""); }

void add_normalizer(const HfConfig& part, std::vector<TextStep>& steps) {
  const std::string type = type_of(part);
  if (type == "Sequence") {
    for (const HfConfig& each : objects_of(part, "normalizers")) add_normalizer(each, steps);
  } else if (type == "NFC") {
    steps.push_back({.kind = Kind::nfc});
  } else if (type == "Prepend") {
    steps.push_back({.kind = Kind::prepend, .text = part.string("prepend").value_or("")});
  } else if (type == "Replace") {
    const auto text = pattern_of(part).text;
    if (!text || text->empty()) unread("normalizer", "Replace of a pattern");
    steps.push_back({.kind = Kind::replace, .text = *text, .other = content_of(part)});
  } else {
    unread("normalizer", type);
  }
}

void add_split(const HfConfig& part, std::vector<TextStep>& steps) {
  const HfPattern pattern = pattern_of(part);
  if (!pattern.text && !pattern.regex) unread("pattern of", "Split");
  steps.push_back({.text = pattern.regex ? *pattern.regex : literal_pattern(*pattern.text),
                   .matches = matches_of(part.string("behavior").value_or("")),
                   .inverted = part.boolean("invert").value_or(false)});
}

void add_byte_level(const HfConfig& part, PreTokenizer& out) {
  if (out.byte_level) unread("pre-tokenizer", "ByteLevel behind ByteLevel");
  if (part.boolean("add_prefix_space").value_or(true)) out.steps.push_back({.kind = Kind::lead, .text = " "});
  if (part.boolean("use_regex").value_or(true)) out.steps.push_back({.text = gpt2_pattern});
  out.steps.push_back({.kind = Kind::letters});
  out.byte_level = true;
}

std::string sign_of(const HfConfig& part) { return part.string("replacement").value_or(std::string(space_sign)); }
Lead lead_of(const HfConfig& part) {
  const bool old_form = part.boolean("add_prefix_space").value_or(true);
  const std::string scheme = part.string("prepend_scheme").value_or(old_form ? "always" : "never");
  if (scheme == "always") return Lead::always;
  if (scheme == "first") return Lead::first;
  if (scheme == "never") return Lead::never;
  unread("prepend_scheme", scheme);
}

void add_pre_tokenizer(const HfConfig& part, PreTokenizer& out) {
  const std::string type = type_of(part);
  if (type == "Sequence") {
    for (const HfConfig& each : objects_of(part, "pretokenizers")) add_pre_tokenizer(each, out);
  } else if (type == "Split") {
    add_split(part, out.steps);
  } else if (type == "ByteLevel") {
    add_byte_level(part, out);
  } else if (type == "Digits") {
    const bool individual = part.boolean("individual_digits").value_or(false);
    out.steps.push_back({.text = digit_pattern, .matches = individual ? Matches::isolated : Matches::together});
  } else if (type == "Punctuation") {
    out.steps.push_back(
        {.text = punctuation_pattern, .matches = matches_of(part.string("behavior").value_or("Isolated"))});
  } else if (type == "Metaspace") {
    if (out.byte_level) unread("pre-tokenizer", "Metaspace behind ByteLevel");
    for (TextStep& step : metaspace_steps(sign_of(part), lead_of(part), part.boolean("split").value_or(true)))
      out.steps.push_back(std::move(step));
  } else {
    unread("pre-tokenizer", type);
  }
}

void add_decoder(const HfConfig& part, Decoder& out) {
  const std::string type = type_of(part);
  if (type == "Sequence") {
    for (const HfConfig& each : objects_of(part, "decoders")) add_decoder(each, out);
  } else if (type == "ByteLevel") {
    out.byte_level = true;
  } else if (type == "ByteFallback") {
    out.byte_tokens = true;
  } else if (type == "Metaspace") {
    if (sign_of(part) != space_sign) unread("decoder", "Metaspace of another sign");
    out.drops_first_space = lead_of(part) != Lead::never;
  } else if (type == "Strip") {
    if (content_of(part) != " " || part.integer("stop").value_or(0) != 0 || part.integer("start").value_or(0) > 1)
      unread("decoder", "Strip of more than one space");
    out.drops_first_space = part.integer("start").value_or(0) == 1;
  } else if (type == "Replace") {
    if (pattern_of(part).text != space_sign || content_of(part) != " ") unread("decoder", "Replace of another sign");
  } else if (type != "Fuse") {
    unread("decoder", type);
  }
}

std::int32_t only_id(const HfConfig& tokens, const std::string& name) {
  const auto token = tokens.object(name);
  const auto ids = token ? token->integers("ids") : std::nullopt;
  if (!ids || ids->size() != 1) unread("post-processor", "that adds more than one token in a place");
  const std::int64_t id = (*ids)[0];
  if (id < 0 || id > std::numeric_limits<std::int32_t>::max())
    token->contradiction("the id of a special token is absurd", {{"id", id}});
  return static_cast<std::int32_t>(id);
}

// A template is a list of special tokens around the text, {"Sequence": {"id": "A"}}.
void add_template(const HfConfig& part, AddedIds& out) {
  const auto tokens = part.object("special_tokens");
  bool behind = false;
  for (const HfConfig& item : objects_of(part, "single")) {
    if (item.has("Sequence")) {
      behind = true;
      continue;
    }
    const auto special = item.object("SpecialToken");
    if (!special || !tokens) unread("post-processor", "TemplateProcessing without special tokens");
    std::optional<std::int32_t>& place = behind ? out.behind : out.before;
    if (place) unread("post-processor", "that adds more than one token in a place");
    place = only_id(*tokens, special->string("id").value_or(""));
  }
}

void add_post_processor(const HfConfig& part, AddedIds& out) {
  const std::string type = type_of(part);
  if (type == "Sequence") {
    for (const HfConfig& each : objects_of(part, "processors")) add_post_processor(each, out);
  } else if (type == "TemplateProcessing") {
    add_template(part, out);
  } else if (type != "ByteLevel") {
    unread("post-processor", type);
  }
}

}  // namespace

void unread(std::string_view part, std::string_view name) {
  throw UnreadTokenizer{text("the ", part, " ", printable(name), " is not read yet")};
}

std::string literal_pattern(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == '\n' || byte == '\r' || byte == '\t') out += byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
    else if (byte < 0x80 && std::isalnum(byte) == 0 && byte > 0x1f) out += {'\\', c};
    else out += c;
  }
  return out;
}

std::vector<TextStep> metaspace_steps(std::string_view of_space, Lead lead, bool split) {
  const std::string sign(of_space);
  std::vector<TextStep> steps = {{.kind = Kind::replace, .text = " ", .other = sign}};
  if (lead != Lead::never)
    steps.push_back({.kind = lead == Lead::always ? Kind::lead : Kind::lead_first, .text = sign});
  if (split) steps.push_back({.text = literal_pattern(sign), .matches = Matches::with_next});
  return steps;
}

std::vector<HfConfig> objects_of(const HfConfig& json, std::string_view key) {
  std::vector<HfConfig> out;
  const auto list = json.json().find(key);
  if (list == json.json().end() || list->is_null()) return out;
  const auto none = [&]() { json.contradiction(text(json.full(key), " is not a list of objects"), {}); };
  if (!list->is_array()) none();
  for (const Json& each : *list) {
    if (!each.is_object()) none();
    out.emplace_back(each, json.where(), json.full(key) + ".");
  }
  return out;
}

std::vector<TextStep> read_normalizer(const HfConfig& file) {
  std::vector<TextStep> steps;
  if (const auto part = file.object("normalizer")) add_normalizer(*part, steps);
  return steps;
}

PreTokenizer read_pre_tokenizer(const HfConfig& file) {
  PreTokenizer out;
  if (const auto part = file.object("pre_tokenizer")) add_pre_tokenizer(*part, out);
  if (!out.steps.empty() && out.steps.back().kind == Kind::letters) out.steps.pop_back();
  return out;
}

Decoder read_decoder(const HfConfig& file) {
  Decoder out;
  if (const auto part = file.object("decoder")) add_decoder(*part, out);
  return out;
}

AddedIds read_post_processor(const HfConfig& file) {
  AddedIds out;
  if (const auto part = file.object("post_processor")) add_post_processor(*part, out);
  return out;
}

}  // namespace tsrun
