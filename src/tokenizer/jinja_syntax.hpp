// The syntax tree of a template, and the tokens that it is made of.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jinja.hpp"

namespace tsrun::jinja {

// Statements and expressions. What `text` and the children are:
//   text          the text
//   print         the expression
//   block         statements, one after the other
//   branch        condition, then, else
//   loop          `names` the targets; what is gone through, condition or nothing, body, else
//   set           `names` target and attribute or only target; value
//   capture       `names` the target; body
//   macro         text its name, `names` the parameters; their defaults or nothing, then the body
//   leave, again  {% break %}, {% continue %}
//   literal       `value`
//   list, dict    elements; a dict's are key, value, key, value
//   name          text
//   attribute     text; of what
//   item          of what, which
//   slice         of what, first, last, step, each or nothing
//   call          what is called, arguments; `names` of each argument, empty for one by place
//   filter, test  text; of what, arguments; `names` as with call
//   negate, minus, both, either, choice (value, condition, other), binary (text; left, right)
struct Node {
  enum class Kind : std::uint8_t {
    text, print, block, branch, loop, set, capture, macro, leave, again, literal, list, dict, name, attribute, item,
    slice, call, filter, test, negate, minus, both, either, choice, binary
  };
  Kind kind;
  std::int64_t line = 0;
  int depth = 1;  // of the tree below it
  std::string text{};
  std::vector<std::string> names{};
  std::vector<std::unique_ptr<Node>> children{};
  Value value{};
};
using NodePtr = std::unique_ptr<Node>;

struct Token {
  enum class Kind : std::uint8_t { text, begin_print, end_print, begin_tag, end_tag, name, string, integer, sign, end };
  Kind kind;
  std::string text;
  std::int64_t line;
};

std::vector<Token> tokens_of(std::string_view source);
NodePtr tree_of(std::vector<Token> tokens);

}  // namespace tsrun::jinja
