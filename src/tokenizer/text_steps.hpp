// The steps that prepare a text (TextStep), built and run one after the other.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pattern.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

class TextSteps {
 public:
  using Piece = std::function<void(std::string_view)>;

  // Refuses a pattern that it does not read; `where` names the file.
  TextSteps(const std::vector<TextStep>& steps, const std::string& where);

  bool none() const { return steps_.empty(); }
  // Calls piece(...) for each piece of the text in order; none is empty. `at_beginning`: nothing stood before the text.
  void run(std::string_view text, bool at_beginning, const Piece& piece) const;
  // The text as one piece again.
  std::string joined(std::string_view text, bool at_beginning) const;

 private:
  struct Built {
    TextStep step;
    std::vector<Pattern> pattern;  // one of a split, none otherwise
  };
  void run_from(std::size_t i, std::string_view text, bool at_beginning, const Piece& piece) const;
  void split(std::size_t i, std::string_view text, bool at_beginning, const Piece& piece) const;

  std::vector<Built> steps_;
  bool has_letters_ = false;  // pieces are letters then, and are given on as the bytes they stand for
};

}  // namespace tsrun
