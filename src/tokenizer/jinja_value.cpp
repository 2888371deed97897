// A value of a template: its weight in memory, whether it is true, and how it is written. A template comes with the
// model, so what it makes is weighed, and one that makes too much is stopped.
#include "jinja.hpp"

namespace tsrun::jinja {

void exhaust() { throw Fault{"it takes far more steps or text than a conversation needs"}; }

Value::Value(List list) : held_(std::make_shared<const List>(std::move(list))) {
  for (const Value& each : *this->list()) inside_ += each.weight();
}

Value::Value(Dict dict) : held_(std::make_shared<const Dict>(std::move(dict))) {
  for (const auto& [name, value] : *this->dict()) inside_ += name.size() + value.weight();
}

std::size_t Value::weight() const {
  std::size_t all = sizeof(Value) + inside_;
  if (string()) all += string()->size();
  if (space())
    for (const auto& [name, value] : space()->values) all += name.size() + value.weight();
  return all;
}

const List* Value::list() const {
  const auto* const held = std::get_if<std::shared_ptr<const List>>(&held_);
  return held ? held->get() : nullptr;
}

const Dict* Value::dict() const {
  const auto* const held = std::get_if<std::shared_ptr<const Dict>>(&held_);
  return held ? held->get() : nullptr;
}

Namespace* Value::space() const {
  const auto* const held = std::get_if<std::shared_ptr<Namespace>>(&held_);
  return held ? held->get() : nullptr;
}

bool Value::truth() const {
  if (const bool* const b = boolean()) return *b;
  if (const std::int64_t* const i = integer()) return *i != 0;
  if (const std::string* const s = string()) return !s->empty();
  if (const List* const l = list()) return !l->empty();
  if (const Dict* const d = dict()) return !d->empty();
  return space() != nullptr;
}

std::string Value::text() const {
  if (is_undefined()) return {};
  if (is_none()) return "None";
  if (const bool* const b = boolean()) return *b ? "True" : "False";
  if (const std::int64_t* const i = integer()) return std::to_string(*i);
  if (const std::string* const s = string()) return *s;
  throw Fault{"it writes out " + std::string(kind())};
}

std::string_view Value::kind() const {
  constexpr std::string_view kinds[] = {"an undefined value", "none",   "a truth value", "a number",
                                        "a text",             "a list", "a dict",        "a namespace"};
  return kinds[held_.index()];
}

const Value* Value::find(std::string_view key) const {
  const Dict* const values = space() ? &space()->values : dict();
  if (values == nullptr) return nullptr;
  for (const auto& [name, value] : *values)
    if (name == key) return &value;
  return nullptr;
}

bool operator==(const Value& a, const Value& b) {
  if (a.list() && b.list()) return *a.list() == *b.list();
  if (a.dict() && b.dict()) return *a.dict() == *b.dict();
  return a.held_ == b.held_;
}

}  // namespace tsrun::jinja
