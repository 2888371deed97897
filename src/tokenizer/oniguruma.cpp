// Oniguruma's patterns (its Ruby syntax, which Hugging Face's tokenizers use) rewritten for PCRE2.
#include <algorithm>
#include <cctype>

#include "pattern.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// White space as Unicode's White_Space has it; PCRE2's own \s has U+180E too.
constexpr std::string_view space =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";

constexpr std::string_view groups[] = {"(?:", "(?i:", "(?=", "(?!", "(?<=", "(?<!", "(?>"};

class Rewriter {
 public:
  Rewriter(std::string_view pattern, const std::string& where) : pattern_(pattern), where_(where) {}

  std::string run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      if (c == '\\') escape();
      else if (in_class_) inside_class(c);
      else outside_class(c);
    }
    if (in_class_) unknown("[");
    return std::move(out_);
  }

 private:
  bool follows(std::string_view what) const { return pattern_.substr(at_).starts_with(what); }
  void copy(std::size_t count) {
    out_ += pattern_.substr(at_, count);
    at_ += count;
  }
  void put(std::size_t count, std::string_view other) {
    out_ += other;
    at_ += count;
  }
  void escape();
  void property();
  void hexadecimal();
  void four_digits();
  void inside_class(char c);
  void outside_class(char c);
  void open_group();
  [[noreturn]] void unknown(std::string_view what) const {
    refuse({.what = text("the pre-tokenizer pattern has \"", printable(what), "\", which tsrun does not read"),
            .where = where_, .numbers = {{"at byte", static_cast<std::int64_t>(at_)}},
            .next = "use ids in place of text"});
  }

  std::string_view pattern_;
  const std::string& where_;
  std::string out_;
  std::size_t at_ = 0;
  bool in_class_ = false;
};

void Rewriter::escape() {
  const char c = at_ + 1 < pattern_.size() ? pattern_[at_ + 1] : '\0';
  if (c == 's') return in_class_ ? put(2, space) : put(2, text("[", space, "]"));
  if (c == 'S' && !in_class_) return put(2, text("[^", space, "]"));
  if (c == 'd') return put(2, R"(\p{Nd})");
  if (c == 'D') return put(2, R"(\P{Nd})");
  if (c == 'v') return put(2, R"(\x{b})");  // PCRE2's \v is a class
  if (c == 'p' || c == 'P') return property();
  if (c == 'x') return hexadecimal();
  if (c == 'u') return four_digits();
  const bool same_in_both = std::string_view("rntfae").find(c) != std::string_view::npos;
  const auto byte = static_cast<unsigned char>(c);
  if (!same_in_both && (byte <= 0x20 || byte >= 0x7f || std::isalnum(byte) != 0) && c != ' ')
    unknown(pattern_.substr(at_, 2));
  copy(2);
}

// \p{L}, \p{^Lu}, \P{Han}: a longer name is a script, which PCRE2 would take with its extensions.
void Rewriter::property() {
  const std::size_t end = pattern_.find('}', at_);
  if (pattern_.substr(at_ + 2, 1) != "{" || end == std::string_view::npos) unknown(pattern_.substr(at_, 3));
  std::string_view name = pattern_.substr(at_ + 3, end - at_ - 3);
  const bool negated = name.starts_with('^');
  if (negated) name.remove_prefix(1);
  const auto is_letter = [](char c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z'; };
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_letter)) unknown(pattern_.substr(at_, end + 1 - at_));
  const bool opposite = (pattern_[at_ + 1] == 'P') != negated;
  put(end + 1 - at_, text(opposite ? "\\P{" : "\\p{", name.size() > 2 ? "sc:" : "", name, "}"));
}

// \x{3000}, and \x41 as far as it is a character.
void Rewriter::hexadecimal() {
  const auto is_digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  if (follows("\\x{")) {
    const std::size_t end = pattern_.find('}', at_);
    if (end == std::string_view::npos) unknown("\\x{");
    const std::string_view digits = pattern_.substr(at_ + 3, end - at_ - 3);
    if (digits.empty() || digits.size() > 6 || !std::all_of(digits.begin(), digits.end(), is_digit)) unknown("\\x{");
    return copy(end + 1 - at_);
  }
  const std::string_view digits = pattern_.substr(std::min(at_ + 2, pattern_.size()), 2);
  if (digits.size() != 2 || !std::all_of(digits.begin(), digits.end(), is_digit) || digits[0] > '7') unknown("\\x");
  copy(4);
}

// \u3000
void Rewriter::four_digits() {
  const std::string_view digits = pattern_.substr(std::min(at_ + 2, pattern_.size()), 4);
  const auto is_digit = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  if (digits.size() != 4 || !std::all_of(digits.begin(), digits.end(), is_digit)) unknown("\\u");
  put(6, text("\\x{", digits, "}"));
}

// No sets within sets: [a[b]], [a&&b], [[:alpha:]].
void Rewriter::inside_class(char c) {
  if (c == '[' || follows("&&")) unknown(pattern_.substr(at_, 2));
  if (c == ']') in_class_ = false;
  copy(1);
}

void Rewriter::outside_class(char c) {
  if (c == '[') {
    const std::size_t head = follows("[^") ? 2 : 1;
    if (pattern_.substr(std::min(at_ + head, pattern_.size())).starts_with("]")) unknown("[]");
    in_class_ = true;
    return copy(head);
  }
  if (c == '(') return open_group();
  if (c == '^' || c == '$') unknown(std::string(1, c));  // of a line in one, of the text in the other
  // Oniguruma repeats {2,3}+ again, in PCRE2 it gives nothing back; {,3} is no repetition in PCRE2.
  if (follows("}+") || follows("{,")) unknown(pattern_.substr(at_, 2));
  copy(1);
}

void Rewriter::open_group() {
  if (!follows("(?") && !follows("(*")) return copy(1);
  for (const std::string_view group : groups)
    if (follows(group)) return copy(group.size());
  unknown(pattern_.substr(at_, 3));
}

}  // namespace

std::string pcre2_of(std::string_view oniguruma, const std::string& where) { return Rewriter(oniguruma, where).run(); }

}  // namespace tsrun
