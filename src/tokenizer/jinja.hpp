// Chat templates are written in Jinja; this is as much of it as they use.
//
// Semantics: Jinja 3 (its template designer documentation), with the settings of Hugging Face's apply_chat_template:
// a newline behind a statement and blanks before it are not part of the text. What is not built is refused where it is
// reached, by its name: a template's tools do not keep it from writing a conversation without them.
#pragma once

#include <concepts>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tsrun::jinja {

// Thrown for a template that cannot be read or run, and for what it raises itself.
struct Fault {
  std::string what;
  std::int64_t line = 0;  // of the template, 0 where it is not known
};

class Value;
using List = std::vector<Value>;
using Dict = std::vector<std::pair<std::string, Value>>;  // in the order of its making
struct Namespace;  // a dict that can be written to, shared by all copies of its value

class Value {
 public:
  struct Undefined {
    friend bool operator==(const Undefined&, const Undefined&) = default;
  };
  struct None {
    friend bool operator==(const None&, const None&) = default;
  };

  Value() = default;
  Value(None none) : held_(none) {}
  template <std::same_as<bool> Bool>  // and no pointer
  Value(Bool value) : held_(value) {}
  Value(std::int64_t value) : held_(value) {}
  Value(std::string value) : held_(std::move(value)) {}
  Value(const char* value) : held_(std::string(value)) {}
  Value(List list);
  Value(Dict dict);
  Value(std::shared_ptr<Namespace> space) : held_(std::move(space)) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(held_); }
  bool is_none() const { return std::holds_alternative<None>(held_); }
  const bool* boolean() const { return std::get_if<bool>(&held_); }
  const std::int64_t* integer() const { return std::get_if<std::int64_t>(&held_); }
  const std::string* string() const { return std::get_if<std::string>(&held_); }
  const List* list() const;
  const Dict* dict() const;
  Namespace* space() const;

  bool truth() const;
  std::string text() const;          // as {{ ... }} writes it
  std::string_view kind() const;     // "a list"
  const Value* find(std::string_view key) const;  // of a dict or a namespace
  friend bool operator==(const Value& a, const Value& b);
  // Bytes of all that is in it, each as often as it stands there: what it costs to go through it.
  std::size_t weight() const;

 private:
  std::variant<Undefined, None, bool, std::int64_t, std::string, std::shared_ptr<const List>,
               std::shared_ptr<const Dict>, std::shared_ptr<Namespace>>
      held_;
  std::size_t inside_ = 0;  // the weight of a list's or a dict's values
};

struct Namespace {
  Dict values;
};

// Far more than a conversation is: a value or a text of more ends the template.
inline constexpr std::size_t longest_text = std::size_t{64} << 20U;
[[noreturn]] void exhaust();

struct Node;  // of the syntax tree

class Template {
 public:
  explicit Template(std::string_view source);  // throws Fault
  ~Template();
  Template(Template&&) noexcept;

  // What it writes with these variables; `now` is for strftime_now. Throws Fault, also for one that takes far more
  // steps or text than a conversation does.
  std::string run(const Dict& variables, std::time_t now) const;

 private:
  std::unique_ptr<const Node> root_;
};

}  // namespace tsrun::jinja
