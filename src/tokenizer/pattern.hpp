// Pre-tokenizer patterns: how a text falls into the pieces that merges never cross.
//
// Patterns come from tokenizer.json in Oniguruma's syntax and are matched by PCRE2. Where the two read the same sign
// differently (what is white space, which repetitions give back) the pattern is rewritten; what has no safe rewriting
// is refused, never matched wrongly.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tsrun {

// The same pattern in PCRE2's syntax. Refuses a construct that it does not know, naming it; `where` names the file.
std::string pcre2_of(std::string_view oniguruma, const std::string& where);

class Pattern {
 public:
  Pattern(std::string_view oniguruma, const std::string& where);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  // Calls part(text, matched) for every match and for what lies between matches, in order; together they are the text,
  // which must be UTF-8. A text on which PCRE2 gives up is refused.
  void walk(std::string_view text, const std::function<void(std::string_view, bool)>& part) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace tsrun
