// Pre-tokenizer patterns: how a text falls into the pieces that merges never cross.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tsrun {

class Pattern {
 public:
  // gpt2, smollm, llama3 or qwen2; refuses any other, naming those.
  Pattern(const std::string& name, const std::string& where);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  // The offset of the first byte that is not UTF-8, if there is one.
  std::optional<std::size_t> invalid_utf8(std::string_view text) const;

  // Calls piece(...) for each piece in order; together they are the text, which must be UTF-8. A text on which PCRE2
  // gives up is refused.
  void split(std::string_view text, const std::function<void(std::string_view)>& piece) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace tsrun
