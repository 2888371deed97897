// Tokens to the syntax tree: statements.
#include "jinja_expressions.hpp"

namespace tsrun::jinja {
namespace {

using Kind = Node::Kind;

class Parser : private Expressions {
 public:
  explicit Parser(std::vector<Token> tokens) : Expressions(std::move(tokens)) {}

  NodePtr run() {
    NodePtr all = block();
    if (here().kind != Token::Kind::end) fault("\"" + tokens_[at_ + 1].text + "\" ends nothing");
    return all;
  }

 private:
  NodePtr block();
  NodePtr body(std::string_view end);
  NodePtr statement();
  NodePtr branch();
  NodePtr loop();
  NodePtr set();
  NodePtr macro();
  void close_tag() { expect(Token::Kind::end_tag); }
  void end_with(std::string_view word) {
    expect(Token::Kind::begin_tag);
    expect_word(word);
    close_tag();
  }
};

// Up to a tag that ends or divides a statement, which is not taken.
NodePtr Parser::block() {
  const Depth depth(*this);
  NodePtr all = node(Kind::block);
  while (here().kind != Token::Kind::end) {
    if (here().kind == Token::Kind::text) {
      adopt(*all, node(Kind::text, here().text));
      ++at_;
    } else if (here().kind == Token::Kind::begin_print) {
      ++at_;
      adopt(*all, node_of(Kind::print, "", expression()));
      expect(Token::Kind::end_print);
    } else {
      if (tokens_[at_ + 1].text.starts_with("end") || next_is_word("else") || next_is_word("elif")) return all;
      ++at_;
      adopt(*all, statement());
    }
  }
  return all;
}

NodePtr Parser::body(std::string_view end) {
  NodePtr all = block();
  end_with(end);
  return all;
}

NodePtr Parser::statement() {
  if (take_word("if")) return branch();
  if (take_word("for")) return loop();
  if (take_word("set")) return set();
  if (take_word("macro")) return macro();
  const bool leaves = is_word("break");
  if (take_word("break") || take_word("continue")) {
    close_tag();
    return node(leaves ? Kind::leave : Kind::again);
  }
  if (take_word("generation")) {  // marks what the model writes, for training
    close_tag();
    return body("endgeneration");
  }
  fault("the statement \"" + here().text + "\" is not read");
}

NodePtr Parser::branch() {
  const Depth depth(*this);
  NodePtr made = node_of(Kind::branch, "", expression());
  close_tag();
  adopt(*made, block());
  expect(Token::Kind::begin_tag);
  if (take_word("elif")) {
    adopt(*made, branch());
    return made;
  }
  if (take_word("else")) {
    close_tag();
    adopt(*made, block());
    expect(Token::Kind::begin_tag);
  }
  expect_word("endif");
  close_tag();
  return made;
}

NodePtr Parser::loop() {
  NodePtr made = node(Kind::loop);
  do made->names.push_back(name());
  while (take_sign(","));
  expect_word("in");
  adopt(*made, expression(false));
  adopt(*made, take_word("if") ? expression() : nullptr);
  close_tag();
  adopt(*made, block());
  expect(Token::Kind::begin_tag);
  if (take_word("else")) {
    close_tag();
    adopt(*made, block());
    expect(Token::Kind::begin_tag);
  }
  expect_word("endfor");
  close_tag();
  return made;
}

NodePtr Parser::set() {
  NodePtr made = node(Kind::set);
  made->names.push_back(name());
  if (take_sign(".")) made->names.push_back(name());
  if (take_sign("=")) {
    adopt(*made, expression());
    close_tag();
    return made;
  }
  close_tag();
  made->kind = Kind::capture;
  adopt(*made, body("endset"));
  return made;
}

NodePtr Parser::macro() {
  NodePtr made = node(Kind::macro, name());
  expect_sign("(");
  while (!take_sign(")")) {
    made->names.push_back(name());
    adopt(*made, take_sign("=") ? expression() : nullptr);
    if (!is_sign(")")) expect_sign(",");
  }
  close_tag();
  adopt(*made, body("endmacro"));
  return made;
}

}  // namespace

NodePtr tree_of(std::vector<Token> tokens) { return Parser(std::move(tokens)).run(); }

}  // namespace tsrun::jinja
