// Pre-tokenizer patterns: how a text falls into the pieces that merges never cross.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace tsrun {

class Pattern {
 public:
  // gpt2, smollm, llama3 or qwen2; refuses any other, naming those.
  Pattern(const std::string& name, const std::string& where);
  Pattern(Pattern&&) noexcept;
  ~Pattern();

  // Calls piece(...) for each piece in order; together they are the text. Refuses invalid UTF-8, naming the offset.
  void split(std::string_view text, const std::function<void(std::string_view)>& piece) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace tsrun
