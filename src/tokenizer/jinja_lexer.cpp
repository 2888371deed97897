// A template's text as tokens, white space between text and statements settled.
#include <algorithm>
#include <cctype>

#include "jinja_syntax.hpp"

namespace tsrun::jinja {
namespace {

bool begins_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

constexpr std::string_view long_signs[] = {"==", "!=", "<=", ">=", "//", "**"};
constexpr std::string_view short_signs = "+-*/%~<>=()[]{}.,:|";

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  std::vector<Token> run() {
    while (at_ < source_.size()) {
      const std::size_t begin = next_opening();
      text(begin);
      if (at_ < source_.size()) markup();
    }
    add(Token::Kind::end, "");
    return std::move(tokens_);
  }

 private:
  bool follows(std::string_view what) const { return source_.substr(at_).starts_with(what); }
  void add(Token::Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(std::size_t to) {
    const std::string_view passed = source_.substr(at_, to - at_);
    line_ += std::count(passed.begin(), passed.end(), '\n');
    at_ = to;
  }
  [[noreturn]] void fault(std::string what) const { throw Fault{std::move(what), line_}; }

  std::size_t next_opening() const;
  void text(std::size_t end);
  void markup();
  void comment();
  bool closes(std::string_view closing);
  void code_token();
  void string_literal();
  void behind_tag(bool strips, bool drops_newline);

  std::string_view source_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  int open_brackets_ = 0;
  std::vector<Token> tokens_;
};

std::size_t Lexer::next_opening() const {
  for (std::size_t i = at_; i + 1 < source_.size(); ++i)
    if (source_[i] == '{' && (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) return i;
  return source_.size();
}

// Text up to a markup: {%- strips all space before it, {% the blanks of its own line, {{ none.
void Lexer::text(std::size_t end) {
  std::string_view text = source_.substr(at_, end - at_);
  const char mark = end + 2 < source_.size() ? source_[end + 2] : '\0';
  if (mark == '-' && end < source_.size()) {
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  } else if (end < source_.size() && source_[end + 1] != '{' && mark != '+') {
    std::string_view without = text;
    while (!without.empty() && is_blank(without.back())) without.remove_suffix(1);
    const bool alone = without.empty() ? at_ == 0 || source_[at_ - 1] == '\n' : without.back() == '\n';
    if (alone) text = without;
  }
  if (!text.empty()) add(Token::Kind::text, std::string(text));
  advance(end);
}

void Lexer::markup() {
  if (follows("{#")) return comment();
  const bool prints = follows("{{");
  add(prints ? Token::Kind::begin_print : Token::Kind::begin_tag, "");
  open_brackets_ = 0;
  advance(at_ + 2);
  if (follows("-") || follows("+")) advance(at_ + 1);
  while (!closes(prints ? "}}" : "%}")) code_token();
}

void Lexer::comment() {
  const std::size_t end = source_.find("#}", at_);
  if (end == std::string_view::npos) fault("a comment does not end");
  const bool strips = source_[end - 1] == '-';
  advance(end + 2);
  behind_tag(strips, true);
}

// Whether the markup ends here; if so goes behind it. Within brackets it does not: {{ {'a': {}} }}.
bool Lexer::closes(std::string_view closing) {
  while (at_ < source_.size() && is_space(source_[at_])) advance(at_ + 1);
  if (at_ >= source_.size()) fault("a statement does not end");
  const bool marked = (follows("-") || follows("+")) && source_.substr(at_ + 1).starts_with(closing);
  if (open_brackets_ > 0 || (!marked && !follows(closing))) return false;
  const bool strips = follows("-");
  const bool prints = closing == "}}";
  add(prints ? Token::Kind::end_print : Token::Kind::end_tag, "");
  const bool keeps_newline = follows("+");
  advance(at_ + (marked ? 3 : 2));
  behind_tag(strips, !prints && !keeps_newline);
  return true;
}

void Lexer::behind_tag(bool strips, bool drops_newline) {
  if (strips)
    while (at_ < source_.size() && is_space(source_[at_])) advance(at_ + 1);
  else if (drops_newline && follows("\n")) advance(at_ + 1);
}

void Lexer::code_token() {
  const char c = source_[at_];
  std::size_t end = at_;
  if (c == '\'' || c == '"') return string_literal();
  if (begins_name(c)) {
    while (end < source_.size() && (begins_name(source_[end]) || is_digit(source_[end]))) ++end;
    add(Token::Kind::name, std::string(source_.substr(at_, end - at_)));
  } else if (is_digit(c)) {
    while (end < source_.size() && is_digit(source_[end])) ++end;
    if (end - at_ > 9) fault("a number is too large");
    add(Token::Kind::integer, std::string(source_.substr(at_, end - at_)));
  } else {
    for (const std::string_view sign : long_signs)
      if (follows(sign)) end = at_ + sign.size();
    if (end == at_ && short_signs.find(c) != std::string_view::npos) ++end;
    if (end == at_) fault("a sign is none of Jinja's");
    if (c == '(' || c == '[' || c == '{') ++open_brackets_;
    if (c == ')' || c == ']' || c == '}') --open_brackets_;
    add(Token::Kind::sign, std::string(source_.substr(at_, end - at_)));
  }
  advance(end);
}

void Lexer::string_literal() {
  constexpr std::string_view escaped = "nrt'\"\\", meant = "\n\r\t'\"\\";
  const char quote = source_[at_];
  std::string text;
  std::size_t i = at_ + 1;
  for (; i < source_.size() && source_[i] != quote; ++i) {
    const std::size_t known =
        source_[i] == '\\' && i + 1 < source_.size() ? escaped.find(source_[i + 1]) : std::string_view::npos;
    text += known != std::string_view::npos ? meant[known] : source_[i];
    if (known != std::string_view::npos) ++i;
  }
  if (i >= source_.size()) fault("a text in quotes does not end");
  add(Token::Kind::string, std::move(text));
  advance(i + 1);
}

}  // namespace

std::vector<Token> tokens_of(std::string_view source) { return Lexer(source).run(); }

}  // namespace tsrun::jinja
