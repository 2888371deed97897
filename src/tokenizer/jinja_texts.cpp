#include "jinja_texts.hpp"

#include <cstring>

#include "utf8.hpp"

namespace tsrun::jinja {
namespace {

// Python's str.isspace: Unicode's white space and four separators of ASCII.
bool is_space(char32_t c) { return is_white_space(c) || (c >= 0x1c && c <= 0x1f); }

std::string in_case(const std::string& text, char first, char last) {
  std::string out = text;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80) throw Fault{"the case of letters that are not ASCII is asked for"};
    if (c >= first && c <= last) c = static_cast<char>(c ^ 0x20);
  }
  return out;
}

}  // namespace

std::string stripped(std::string_view text, const Value& characters, Ends ends) {
  if (characters.string() && characters.string()->size() > 1024) throw Fault{"too many characters are to be stripped"};
  const auto goes = [&characters](std::string_view character) {
    std::size_t at = 0;
    if (characters.string()) return characters.string()->find(character) != std::string::npos;
    return is_space(next_point(character, at));
  };
  while ((static_cast<unsigned>(ends) & 1U) != 0 && !text.empty() && goes(text.substr(0, character_size(text[0]))))
    text.remove_prefix(character_size(text[0]));
  while ((static_cast<unsigned>(ends) & 2U) != 0 && !text.empty()) {
    std::size_t last = text.size() - 1;
    while (last > 0 && continues_character(text[last])) --last;
    if (!goes(text.substr(last))) break;
    text = text.substr(0, last);
  }
  return std::string(text);
}

std::string upper(const std::string& text) { return in_case(text, 'a', 'z'); }
std::string lower(const std::string& text) { return in_case(text, 'A', 'Z'); }

std::string capitalized(const std::string& text) {
  const std::string small = lower(text);
  return small.empty() ? small : upper(small.substr(0, 1)) + small.substr(1);
}

std::string title(const std::string& text) {
  std::string out = lower(text);
  bool begins = true;
  for (char& c : out) {
    const bool is_letter = c >= 'a' && c <= 'z';
    if (begins && is_letter) c = static_cast<char>(c ^ 0x20);
    begins = !is_letter;
  }
  return out;
}

std::size_t find_in(std::string_view text, std::string_view part, std::size_t from) {
  const void* const found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data()) : std::string::npos;
}

void append(std::string& out, std::string_view part) {
  if (out.size() + part.size() > longest_text) exhaust();
  out += part;
}
void append(List& out, std::string part) {
  if ((out.size() + 1) * sizeof(Value) > longest_text) exhaust();
  out.emplace_back(std::move(part));
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
  if (from.empty()) throw Fault{"nothing is to be replaced by something"};
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = find_in(text, from, at)) != std::string::npos; at = found + from.size()) {
    append(out, std::string_view(text).substr(at, found - at));
    append(out, to);
  }
  append(out, std::string_view(text).substr(at));
  return out;
}

List split(const std::string& text, const std::string& separator, std::int64_t most) {
  if (separator.empty()) throw Fault{"a text is split at nothing"};
  List parts;
  std::size_t at = 0;
  for (std::size_t found; (most < 0 || std::ssize(parts) < most) &&
                          (found = find_in(text, separator, at)) != std::string::npos;
       at = found + separator.size())
    append(parts, text.substr(at, found - at));
  append(parts, text.substr(at));
  return parts;
}

}  // namespace tsrun::jinja
