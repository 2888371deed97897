// Tokens to the tree of an expression: a function for each level of precedence, the loosest first.
#pragma once

#include "jinja_syntax.hpp"

namespace tsrun::jinja {

// A template that nests deeper than any author would is refused before it exhausts the stack, here or later.
inline constexpr int deepest = 200;

class Expressions {
 protected:
  explicit Expressions(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // a if b else c; without a choice where `if` begins something else.
  NodePtr expression(bool with_choice = true);

  struct Depth {
    explicit Depth(Expressions& p) : parser(p) {
      if (++parser.depth_ > deepest) parser.fault("it nests too deeply");
    }
    ~Depth() { --parser.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    Expressions& parser;
  };

  const Token& here() const { return tokens_[at_]; }
  bool is(Token::Kind kind, std::string_view text) const { return here().kind == kind && here().text == text; }
  bool is_sign(std::string_view text) const { return is(Token::Kind::sign, text); }
  bool is_word(std::string_view text) const { return is(Token::Kind::name, text); }
  bool next_is_word(std::string_view text) const {
    return tokens_[at_ + 1].kind == Token::Kind::name && tokens_[at_ + 1].text == text;
  }
  bool take_sign(std::string_view text) { return is_sign(text) && ++at_ != 0; }
  bool take_word(std::string_view text) { return is_word(text) && ++at_ != 0; }
  void expect_sign(std::string_view text) {
    if (!take_sign(text)) fault("\"" + std::string(text) + "\" is missing");
  }
  void expect_word(std::string_view text) {
    if (!take_word(text)) fault("\"" + std::string(text) + "\" is missing");
  }
  void expect(Token::Kind kind) {
    if (here().kind != kind) fault("a statement has more in it than it should");
    ++at_;
  }
  std::string name() {
    if (here().kind != Token::Kind::name) fault("a name is missing");
    return tokens_[at_++].text;
  }
  [[noreturn]] void fault(std::string what) const { throw Fault{std::move(what), here().line}; }
  NodePtr node(Node::Kind kind, std::string text = {}) const {
    return std::make_unique<Node>(Node{.kind = kind, .line = here().line, .text = std::move(text)});
  }
  void adopt(Node& parent, NodePtr child) const {
    if (child && child->depth >= parent.depth) parent.depth = child->depth + 1;
    if (parent.depth > deepest) fault("it nests too deeply");
    parent.children.push_back(std::move(child));
  }
  template <class... Children>
  NodePtr node_of(Node::Kind kind, std::string text, Children... children) const {
    NodePtr made = node(kind, std::move(text));
    (adopt(*made, std::move(children)), ...);
    return made;
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;

 private:
  NodePtr either();
  NodePtr both();
  NodePtr negation();
  NodePtr comparison();
  bool compares() const;
  NodePtr binary(std::size_t level);
  NodePtr unary();
  NodePtr postfix(NodePtr value);
  NodePtr filters(NodePtr value);
  NodePtr primary();
  NodePtr subscript(NodePtr value);
  NodePtr sequence(NodePtr list, std::string_view end);
  void arguments(Node& call);
};

}  // namespace tsrun::jinja
