// The walk through a template's tree that writes its text.
#include "jinja.hpp"

#include <algorithm>
#include <map>

#include "jinja_functions.hpp"
#include "jinja_syntax.hpp"

namespace tsrun::jinja {
namespace {

using Kind = Node::Kind;

constexpr std::size_t longest_source = 64 * 1024;  // bounds how deep its values can nest, too
constexpr std::int64_t most_steps = 2'000'000;  // a thousand characters that are copied are a step
constexpr int deepest_run = 1000;  // values and statements inside of each other, through all macros
constexpr int deepest_value = 50;

constexpr std::string_view functions[] = {"raise_exception", "namespace", "strftime_now", "range"};

enum class Flow { on, leave, again };

class Runner {
 public:
  Runner(const Dict& variables, std::time_t now) : now_(now) {
    scopes_.emplace_back();
    for (const auto& [name, value] : variables) scopes_[0][name] = value;
  }

  std::string run(const Node& root) {
    execute(root);
    return std::move(out_);
  }

 private:
  using Scope = std::map<std::string, Value, std::less<>>;

  void spend(std::size_t copied = 0) {
    steps_ += 1 + static_cast<std::int64_t>(copied / 1024);
    if (steps_ > most_steps || copied > longest_text) exhaust();
  }
  struct Nested {
    explicit Nested(Runner& r) : runner(r) {
      if (++runner.depth_ > deepest_run) throw Fault{"its macros call each other without end"};
    }
    ~Nested() { --runner.depth_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    Runner& runner;
  };
  Value gone_through(Value value) {
    spend(value.weight());
    return value;
  }
  void spend_on_names(const Value& of) {
    const Dict* const all = of.space() ? &of.space()->values : of.dict();
    spend(all ? sizeof(Value) * all->size() : 0);
  }
  void write(const std::string& text) {
    spend(text.size());
    if (out_.size() + text.size() > longest_text) exhaust();
    out_ += text;
  }

  Flow execute(const Node& node);
  Flow execute_block(const Node& node);
  Flow execute_loop(const Node& node);
  void execute_set(const Node& node);
  std::string captured(const Node& body);

  Value evaluate(const Node& node);
  Value evaluated(const Node& node);
  Value of_name(const Node& node) const;
  Value attribute(const Node& node);
  Value call(const Node& node);
  Value call_function(const std::string& name, const Arguments& arguments);
  Value call_macro(const Node& macro, const Arguments& arguments);
  Value dict_of(const Node& node);
  Value range(const Arguments& arguments);
  void require_shallow(const Value& value, int depth = 0);
  Value space_of(const Arguments& arguments);
  Arguments arguments_of(const Node& node);
  std::string date(const std::string& format) const;

  std::vector<Scope> scopes_;  // the template's own, then one for each loop or macro that is being run
  std::size_t visible_from_ = 0;  // the first scope above the template's own that a macro sees
  std::map<std::string, const Node*, std::less<>> macros_;
  std::string out_;
  std::time_t now_;
  std::int64_t steps_ = 0;
  int depth_ = 0;
};

Flow Runner::execute(const Node& node) try {
  const Nested nested(*this);
  spend();
  switch (node.kind) {
    case Kind::text: write(node.text); return Flow::on;
    case Kind::print: write(evaluate(*node.children[0]).text()); return Flow::on;
    case Kind::block: return execute_block(node);
    case Kind::branch:
      if (evaluate(*node.children[0]).truth()) return execute(*node.children[1]);
      return node.children.size() > 2 ? execute(*node.children[2]) : Flow::on;
    case Kind::loop: return execute_loop(node);
    case Kind::set: execute_set(node); return Flow::on;
    case Kind::capture: scopes_.back()[node.names[0]] = captured(*node.children[0]); return Flow::on;
    case Kind::macro: macros_[node.text] = &node; return Flow::on;
    case Kind::leave: return Flow::leave;
    case Kind::again: return Flow::again;
    default: throw Fault{"a value stands where a statement should"};
  }
} catch (Fault& fault) {
  if (fault.line == 0) fault.line = node.line;
  throw;
}

Flow Runner::execute_block(const Node& node) {
  for (const NodePtr& child : node.children)
    if (const Flow flow = execute(*child); flow != Flow::on) return flow;
  return Flow::on;
}

Value loop_variable(const List& all, std::size_t i) {
  const auto n = std::ssize(all);
  const auto at = static_cast<std::int64_t>(i);
  return Dict{{"index0", at}, {"index", at + 1}, {"revindex0", n - at - 1}, {"revindex", n - at},
              {"first", at == 0}, {"last", at + 1 == n}, {"length", n},
              {"previtem", i > 0 ? all[i - 1] : Value()}, {"nextitem", i + 1 < all.size() ? all[i + 1] : Value()}};
}

Flow Runner::execute_loop(const Node& node) {
  List all = elements_of(gone_through(evaluate(*node.children[0])));
  const auto bind = [&](const Value& each) {
    Scope& scope = scopes_.back();
    if (node.names.size() == 1) return void(scope[node.names[0]] = each);
    if (!each.list() || each.list()->size() != node.names.size())
      throw Fault{"a loop has another number of names than of values"};
    for (std::size_t i = 0; i < node.names.size(); ++i) scope[node.names[i]] = (*each.list())[i];
  };
  if (node.children[1]) {
    scopes_.emplace_back();
    std::erase_if(all, [&](const Value& each) {
      bind(each);
      return !evaluate(*node.children[1]).truth();
    });
    scopes_.pop_back();
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    scopes_.emplace_back();
    scopes_.back()["loop"] = loop_variable(all, i);
    bind(all[i]);
    const Flow flow = execute(*node.children[2]);
    scopes_.pop_back();
    if (flow == Flow::leave) break;
  }
  return all.empty() && node.children.size() > 3 ? execute(*node.children[3]) : Flow::on;
}

// What a namespace may hold: no other, for one that held itself would never be let go; and nothing that nests deeply,
// for a loop can put a list into itself at every turn, and what nests is let go by recursion.
void Runner::require_shallow(const Value& value, int depth) {
  spend();
  if (value.space()) throw Fault{"a namespace that holds a namespace is not read"};
  if (depth > deepest_value) throw Fault{"a namespace holds too deep a value"};
  if (value.list())
    for (const Value& each : *value.list()) require_shallow(each, depth + 1);
  if (value.dict())
    for (const auto& [key, each] : *value.dict()) require_shallow(each, depth + 1);
}

void Runner::execute_set(const Node& node) {
  Value value = evaluate(*node.children[0]);
  if (node.names.size() == 1) {
    scopes_.back()[node.names[0]] = std::move(value);
    return;
  }
  Node name{.kind = Kind::name, .line = node.line, .text = node.names[0]};
  Namespace* const space = of_name(name).space();
  if (space == nullptr) throw Fault{"an attribute is set of what is no namespace"};
  require_shallow(value);
  for (auto& [known, held] : space->values)
    if (known == node.names[1]) return void(held = std::move(value));
  space->values.emplace_back(node.names[1], std::move(value));
}

std::string Runner::captured(const Node& body) {
  std::string outside = std::move(out_);
  out_.clear();
  execute(body);
  std::swap(out_, outside);
  return outside;
}

Value Runner::evaluate(const Node& node) try {
  const Nested nested(*this);
  Value value = evaluated(node);
  // What is only looked up is shared, unless it is a text.
  const bool is_shared = node.kind == Kind::name || node.kind == Kind::attribute || node.kind == Kind::item;
  spend(is_shared && !value.string() ? 0 : value.weight());
  return value;
} catch (Fault& fault) {
  if (fault.line == 0) fault.line = node.line;
  throw;
}

Value Runner::evaluated(const Node& node) {
  const auto child = [&](std::size_t i) { return node.children[i] ? evaluate(*node.children[i]) : Value(); };
  const auto whole = [&](std::size_t i) { return gone_through(child(i)); };
  switch (node.kind) {
    case Kind::literal: return node.value;
    case Kind::name: return of_name(node);
    case Kind::attribute: return attribute(node);
    case Kind::item: {
      const Value of = child(0), which = child(1);
      spend_on_names(of);
      return item_of(of, which);
    }
    case Kind::slice: return slice_of(child(0), child(1), child(2), child(3));
    case Kind::call: return call(node);
    case Kind::filter: {
      const bool counts = node.text == "length" || node.text == "count";
      const Value to = counts ? child(0) : whole(0);
      return apply_filter(to, node.text, arguments_of(node));
    }
    case Kind::test: {
      const Value value = node.children.size() > 1 ? whole(0) : child(0);
      return passes_test(value, node.text, arguments_of(node));
    }
    case Kind::negate: return !child(0).truth();
    case Kind::minus: return combine("-", std::int64_t{0}, child(0));
    case Kind::binary: {
      const Value left = whole(0), right = whole(1);
      return combine(node.text, left, right);
    }
    case Kind::dict: return dict_of(node);
    case Kind::choice: return child(1).truth() ? child(0) : child(2);
    case Kind::both: {
      Value left = child(0);
      return left.truth() ? child(1) : left;
    }
    case Kind::either: {
      Value left = child(0);
      return left.truth() ? left : child(1);
    }
    case Kind::list: {
      List list;
      for (std::size_t i = 0; i < node.children.size(); ++i) list.push_back(child(i));
      return list;
    }
    default: throw Fault{"a statement stands where a value should"};
  }
}

Value Runner::of_name(const Node& node) const {
  for (std::size_t i = scopes_.size(); i-- > 0;) {
    if (i > 0 && i < visible_from_) continue;
    const auto found = scopes_[i].find(node.text);
    if (found != scopes_[i].end()) return found->second;
  }
  // A function is defined; as a value it is nothing more.
  const bool is_function = std::find(std::begin(functions), std::end(functions), node.text) != std::end(functions);
  return is_function || macros_.contains(node.text) ? Value(true) : Value();
}

Value Runner::attribute(const Node& node) {
  const Value of = evaluate(*node.children[0]);
  if (of.is_undefined()) throw Fault{"\"" + node.text + "\" is asked of an undefined value"};
  spend_on_names(of);
  const Value* const found = of.find(node.text);
  return found ? *found : Value();
}

Value Runner::dict_of(const Node& node) {
  Dict dict;
  for (std::size_t i = 0; i + 1 < node.children.size(); i += 2) {
    const Value key = evaluate(*node.children[i]);
    if (!key.string()) throw Fault{"a key of a dict is " + std::string(key.kind())};
    dict.emplace_back(*key.string(), evaluate(*node.children[i + 1]));
  }
  return dict;
}

Arguments Runner::arguments_of(const Node& node) {
  Arguments out;
  for (std::size_t i = 1; i < node.children.size(); ++i)
    out.values.push_back(gone_through(evaluate(*node.children[i])));
  out.names = node.names;
  return out;
}

Value Runner::call(const Node& node) {
  const Node& callee = *node.children[0];
  const Arguments arguments = arguments_of(node);
  if (callee.kind == Kind::name) return call_function(callee.text, arguments);
  if (callee.kind != Kind::attribute) throw Fault{"a value is called that is no function"};
  const Value of = evaluate(*callee.children[0]);
  spend_on_names(of);
  return call_method(callee.text == "get" ? of : gone_through(of), callee.text, arguments);
}

Value Runner::call_function(const std::string& name, const Arguments& arguments) {
  const auto macro = macros_.find(name);
  if (macro != macros_.end()) return call_macro(*macro->second, arguments);
  if (name == "raise_exception") throw Fault{"it says: " + arguments.text(0)};
  if (name == "namespace") return space_of(arguments);
  if (name == "strftime_now") return date(arguments.text(0));
  if (name != "range") throw Fault{"the function \"" + name + "\" is not read"};
  return range(arguments);
}

Value Runner::range(const Arguments& arguments) {
  const auto number = [&](std::size_t place) {
    const Value value = arguments.at(place);
    constexpr std::int64_t most = 1'000'000'000;
    if (!value.integer() || std::abs(*value.integer()) > most) throw Fault{"a range is not of numbers"};
    return *value.integer();
  };
  const std::int64_t first = arguments.size() < 2 ? 0 : number(0), end = number(arguments.size() < 2 ? 0 : 1);
  const std::int64_t step = arguments.size() < 3 ? 1 : number(2);
  if (step == 0 || arguments.size() > 3) throw Fault{"a range has no step"};
  List all;
  for (std::int64_t i = first; step > 0 ? i < end : i > end; i += step) {
    spend();
    all.emplace_back(i);
  }
  return all;
}

Value Runner::call_macro(const Node& macro, const Arguments& arguments) {
  Scope scope;
  for (std::size_t i = 0; i < macro.names.size(); ++i) {
    Value value = arguments.at(i, macro.names[i]);
    if (value.is_undefined() && macro.children[i]) value = evaluate(*macro.children[i]);
    scope[macro.names[i]] = std::move(value);
  }
  const std::size_t outside = std::exchange(visible_from_, scopes_.size());
  scopes_.push_back(std::move(scope));
  std::string text = captured(*macro.children.back());
  scopes_.pop_back();
  visible_from_ = outside;
  return text;
}

Value Runner::space_of(const Arguments& arguments) {
  auto space = std::make_shared<Namespace>();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments.names[i].empty()) throw Fault{"a namespace holds a value without a name"};
    require_shallow(arguments.values[i]);
    space->values.emplace_back(arguments.names[i], arguments.values[i]);
  }
  return space;
}

std::string Runner::date(const std::string& format) const {
  std::tm time{};
  localtime_r(&now_, &time);
  char text[128];
  if (format.empty() || format.size() > 32) throw Fault{"a date has no format"};
  return {text, std::strftime(text, sizeof text, format.c_str(), &time)};
}

}  // namespace

Template::Template(std::string_view source) {
  if (source.size() > longest_source) throw Fault{"it is absurdly long"};
  root_ = tree_of(tokens_of(source));
}
Template::~Template() = default;
Template::Template(Template&&) noexcept = default;

std::string Template::run(const Dict& variables, std::time_t now) const { return Runner(variables, now).run(*root_); }

}  // namespace tsrun::jinja
