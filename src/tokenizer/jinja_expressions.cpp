#include "jinja_expressions.hpp"

#include <algorithm>
#include <array>

namespace tsrun::jinja {
namespace {

using Kind = Node::Kind;

}  // namespace

NodePtr Expressions::expression(bool with_choice) {
  const Depth depth(*this);
  NodePtr value = either();
  while (with_choice && take_word("if")) {
    NodePtr condition = either();
    NodePtr other = take_word("else") ? expression() : nullptr;
    value = node_of(Kind::choice, "", std::move(value), std::move(condition), std::move(other));
  }
  return value;
}

NodePtr Expressions::either() {
  NodePtr left = both();
  while (take_word("or")) left = node_of(Kind::either, "", std::move(left), both());
  return left;
}

NodePtr Expressions::both() {
  NodePtr left = negation();
  while (take_word("and")) left = node_of(Kind::both, "", std::move(left), negation());
  return left;
}

NodePtr Expressions::negation() {
  const Depth depth(*this);
  if (take_word("not")) return node_of(Kind::negate, "", negation());
  return comparison();
}

NodePtr Expressions::comparison() {
  NodePtr left = binary(0);
  const std::string sign = here().text;
  const bool negated = is_word("not") && next_is_word("in");
  if (!compares() && !negated) return left;
  at_ += negated ? 2 : 1;
  left = node_of(Kind::binary, negated ? "in" : sign, std::move(left), binary(0));
  if (compares()) fault("a chain of comparisons is not read");
  return negated ? node_of(Kind::negate, "", std::move(left)) : std::move(left);
}

bool Expressions::compares() const {
  static constexpr std::array<std::string_view, 6> signs = {"==", "!=", "<", "<=", ">", ">="};
  const bool is_one = std::find(signs.begin(), signs.end(), here().text) != signs.end();
  return is_word("in") || (here().kind == Token::Kind::sign && is_one);
}

NodePtr Expressions::binary(std::size_t level) {
  static constexpr std::array<std::string_view, 3> signs = {"+-", "~", "*/%"};
  if (level == signs.size()) return unary();
  NodePtr left = binary(level + 1);
  for (;;) {
    const std::string sign = here().text;
    const bool is_short = sign.size() == 1 && signs[level].find(sign) != std::string_view::npos;
    if (here().kind != Token::Kind::sign || !(is_short || (sign == "//" && level == 2))) return left;
    ++at_;
    left = node_of(Kind::binary, sign, std::move(left), binary(level + 1));
  }
}

NodePtr Expressions::unary() {
  const Depth depth(*this);
  if (take_sign("-")) return filters(node_of(Kind::minus, "", postfix(primary())));
  return filters(postfix(primary()));
}

NodePtr Expressions::primary() {
  const Token token = here();
  NodePtr made = node(Kind::literal);
  if (token.kind == Token::Kind::string) {
    std::string all;
    while (here().kind == Token::Kind::string) all += tokens_[at_++].text;  // neighbours are one
    made->value = all;
    return made;
  }
  ++at_;
  if (token.kind == Token::Kind::integer) {
    made->value = static_cast<std::int64_t>(std::stoll(token.text));
    return made;
  }
  if (token.kind == Token::Kind::name) {
    if (token.text == "true" || token.text == "True") made->value = true;
    else if (token.text == "false" || token.text == "False") made->value = false;
    else if (token.text == "none" || token.text == "None") made->value = Value::None{};
    else return node(Kind::name, token.text);
    return made;
  }
  if (token.kind == Token::Kind::sign && token.text == "(") {
    NodePtr inside = expression();
    if (take_sign(",")) {  // a tuple: nothing that a template does with one tells it from a list
      NodePtr tuple = node_of(Kind::list, "", std::move(inside));
      return sequence(std::move(tuple), ")");
    }
    expect_sign(")");
    return inside;
  }
  if (token.kind == Token::Kind::sign && token.text == "[") return sequence(node(Kind::list), "]");
  if (token.kind == Token::Kind::sign && token.text == "{") return sequence(node(Kind::dict), "}");
  --at_;
  fault("a value is missing");
}

NodePtr Expressions::sequence(NodePtr list, std::string_view end) {
  while (!take_sign(end)) {
    adopt(*list, expression());
    if (list->kind == Kind::dict) {
      expect_sign(":");
      adopt(*list, expression());
    }
    if (!is_sign(end)) expect_sign(",");
  }
  return list;
}

NodePtr Expressions::postfix(NodePtr value) {
  for (;;) {
    if (take_sign(".")) {
      value = node_of(Kind::attribute, name(), std::move(value));
    } else if (take_sign("[")) {
      value = subscript(std::move(value));
    } else if (is_sign("(")) {
      value = node_of(Kind::call, "", std::move(value));
      arguments(*value);
    } else {
      return value;
    }
  }
}

NodePtr Expressions::subscript(NodePtr value) {
  NodePtr parts[3];
  std::size_t count = 0;
  bool slices = false;
  while (!take_sign("]")) {
    if (take_sign(":")) {
      slices = true;
      if (++count == 3) fault("a slice has too many parts");
    } else {
      if (parts[count]) fault("\"]\" is missing");
      parts[count] = expression();
    }
  }
  if (slices)
    return node_of(Kind::slice, "", std::move(value), std::move(parts[0]), std::move(parts[1]), std::move(parts[2]));
  if (!parts[0]) fault("a value is missing");
  return node_of(Kind::item, "", std::move(value), std::move(parts[0]));
}

// Filters and tests, which bind more tightly than any sign.
NodePtr Expressions::filters(NodePtr value) {
  for (;;) {
    if (take_sign("|")) {
      value = node_of(Kind::filter, name(), std::move(value));
      if (is_sign("(")) arguments(*value);
    } else if (take_word("is")) {
      const bool negated = take_word("not");
      value = node_of(Kind::test, name(), std::move(value));
      if (is_sign("(")) arguments(*value);
      else if (here().kind == Token::Kind::string || here().kind == Token::Kind::integer) {
        adopt(*value, primary());
        value->names.emplace_back();
      }
      if (negated) value = node_of(Kind::negate, "", std::move(value));
    } else if (is_sign(".") || is_sign("[") || is_sign("(")) {
      value = postfix(std::move(value));
    } else {
      return value;
    }
  }
}

void Expressions::arguments(Node& call) {
  expect_sign("(");
  while (!take_sign(")")) {
    const Token& behind = tokens_[at_ + (here().kind == Token::Kind::end ? 0 : 1)];
    const bool named = here().kind == Token::Kind::name && behind.kind == Token::Kind::sign && behind.text == "=";
    call.names.push_back(named ? name() : "");
    if (named) ++at_;
    adopt(call, expression());
    if (!is_sign(")")) expect_sign(",");
  }
}

}  // namespace tsrun::jinja
