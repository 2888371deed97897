#include "jinja_functions.hpp"

#include <algorithm>

#include "jinja_texts.hpp"
#include "utf8.hpp"

namespace tsrun::jinja {
namespace {

[[noreturn]] void unread(std::string_view what, std::string_view name) {
  throw Fault{std::string(what) + " \"" + std::string(name) + "\" is not read"};
}

[[noreturn]] void misused(std::string_view what, const Value& value) {
  throw Fault{std::string(what) + " is asked of " + std::string(value.kind())};
}

const std::string& text_of(const Value& value, std::string_view what) {
  if (value.string() == nullptr) misused(what, value);
  return *value.string();
}

// "<{}>".format(x): a place for each argument.
std::string formatted(const std::string& text, const Arguments& arguments) {
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{' && text[at] != '}') {
      append(out, text.substr(at, 1));
    } else if (text.compare(at, 2, "{}") == 0 && next < arguments.size() && arguments.names[next].empty()) {
      append(out, arguments.at(next++).text());
      ++at;
    } else {
      unread("the format", text);
    }
  }
  return out;
}

List items_of(const Dict& dict) {
  List items;
  for (const auto& [key, value] : dict) items.emplace_back(List{key, value});
  return items;
}

std::int64_t length_of(const Value& value) {
  if (value.list()) return std::ssize(*value.list());
  if (value.dict()) return std::ssize(*value.dict());
  if (value.is_undefined()) return 0;
  const std::string& text = text_of(value, "a length");
  return std::ssize(text) - std::count_if(text.begin(), text.end(), continues_character);
}

std::string joined(const Value& list, const std::string& separator) {
  std::string out;
  bool first = true;
  for (const Value& each : elements_of(list)) {
    if (!first) append(out, separator);
    append(out, each.text());
    first = false;
  }
  return out;
}

// selectattr("role", "equalto", "user"): those elements whose attribute passes the test, or is true.
List selected(const Value& list, const Arguments& arguments, bool wanted) {
  List out;
  if (!list.truth()) return out;  // nothing, none: as Jinja has it
  const Arguments rest{{arguments.at(2)}, {""}};
  const std::string name = arguments.text(0), test = arguments.size() > 1 ? arguments.text(1) : "";
  const List all = elements_of(list);
  if (all.size() * rest.values[0].weight() > longest_text) exhaust();  // each is held against it
  for (const Value& each : all) {
    const Value* const found = each.find(name);
    const Value value = found ? *found : Value();
    const bool passes = arguments.size() > 1 ? passes_test(value, test, rest) : value.truth();
    if (passes == wanted) out.push_back(each);
  }
  return out;
}

List attributes_of(const Value& list, const std::string& name) {
  List out;
  if (!list.truth()) return out;
  for (const Value& each : elements_of(list)) {
    const Value* const found = each.find(name);
    out.push_back(found ? *found : Value());
  }
  return out;
}

std::string json_of(const Value& value) {
  if (value.is_none()) return "null";
  if (value.boolean()) return *value.boolean() ? "true" : "false";
  if (value.integer()) return value.text();
  if (value.string() == nullptr) unread("JSON of", value.kind());
  constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : *value.string()) {
    const auto byte = static_cast<unsigned char>(c);
    const std::size_t known = std::string_view("\"\\\n\r\t\b\f").find(c);
    if (known != std::string_view::npos) out += {'\\', "\"\\nrtbf"[known]};
    else if (byte < 0x20) out += {'\\', 'u', '0', '0', digits[byte >> 4U], digits[byte & 15U]};
    else out += c;
  }
  return out + "\"";
}

std::int64_t integer_of(const Value& value) {
  if (value.integer()) return *value.integer();
  if (value.boolean()) return *value.boolean() ? 1 : 0;
  misused("a number", value);
}

// The divisor's sign, as Python has it.
std::int64_t divided(std::int64_t a, std::int64_t b, bool remainder) {
  if (b == 0) throw Fault{"a division by zero"};
  const std::int64_t rest = (a % b + b) % b;
  return remainder ? rest : (a - rest) / b;
}

bool contains(const Value& all, const Value& one) {
  if (all.string()) return find_in(*all.string(), text_of(one, "a part of a text"), 0) != std::string::npos;
  if (all.list()) return std::find(all.list()->begin(), all.list()->end(), one) != all.list()->end();
  if (all.dict() || all.space()) return one.string() != nullptr && all.find(*one.string()) != nullptr;
  if (all.is_undefined()) return false;
  misused("what is in it", all);
}

int order_of(const Value& a, const Value& b) {
  if (a.string() && b.string()) return a.string()->compare(*b.string());
  const std::int64_t x = integer_of(a), y = integer_of(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

// A list, or a text as its characters, without a copy of it.
class Sequence {
 public:
  explicit Sequence(const Value& of) : list_(of.list()), text_(of.string()) {
    if (list_ == nullptr && text_ == nullptr) list_ = &(keys_ = elements_of(of));
    for (std::size_t at = 0; text_ && at < text_->size(); at += character_size((*text_)[at]))
      starts_.push_back(static_cast<std::uint32_t>(at));
  }
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  std::int64_t size() const { return text_ ? std::ssize(starts_) : std::ssize(*list_); }
  Value operator[](std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    return text_ ? Value(text_->substr(starts_[at], character_size((*text_)[starts_[at]]))) : (*list_)[at];
  }

 private:
  const List* list_;
  const std::string* text_;
  List keys_;                          // of a dict
  std::vector<std::uint32_t> starts_;  // of the characters
};

List characters_of(const std::string& text) {
  List out;
  for (std::size_t at = 0; at < text.size(); at += character_size(text[at]))
    append(out, text.substr(at, character_size(text[at])));
  return out;
}

}  // namespace

Value Arguments::at(std::size_t place, std::string_view name) const {
  for (std::size_t i = 0; i < values.size(); ++i)
    if (names[i].empty() ? i == place : names[i] == name) return values[i];
  return {};
}

std::string Arguments::text(std::size_t place, std::string_view name) const {
  return text_of(at(place, name), "a text");
}

List elements_of(const Value& value) {
  if (value.list()) return *value.list();
  if (value.string()) return characters_of(*value.string());
  if (value.is_undefined()) return {};
  if (value.dict() == nullptr) misused("a list", value);
  List keys;
  for (const auto& [key, unused] : *value.dict()) keys.emplace_back(key);
  return keys;
}

Value call_method(const Value& of, std::string_view name, const Arguments& arguments) {
  if (of.dict() || of.space()) {
    const Dict& dict = of.dict() ? *of.dict() : of.space()->values;
    if (name == "items") return items_of(dict);
    if (name == "keys") return elements_of(dict);
    if (name == "values") {
      List values;
      for (const auto& [key, value] : dict) values.push_back(value);
      return values;
    }
    if (name != "get") unread("the method", name);
    const Value* const found = of.find(arguments.text(0));
    if (found) return *found;
    return arguments.size() > 1 ? arguments.at(1) : Value(Value::None{});
  }
  const std::string& text = text_of(of, name);
  if (name == "strip") return stripped(text, arguments.at(0), Ends::both);
  if (name == "lstrip") return stripped(text, arguments.at(0), Ends::first);
  if (name == "rstrip") return stripped(text, arguments.at(0), Ends::last);
  if (name == "startswith") return text.starts_with(arguments.text(0));
  if (name == "endswith") return text.ends_with(arguments.text(0));
  if (name == "split" && arguments.size() > 0)
    return split(text, arguments.text(0), arguments.size() > 1 ? integer_of(arguments.at(1, "maxsplit")) : -1);
  if (name == "format") return formatted(text, arguments);
  if (name == "replace" && arguments.size() == 2) return replaced(text, arguments.text(0), arguments.text(1));
  if (name == "upper") return upper(text);
  if (name == "lower") return lower(text);
  if (name == "title") return title(text);
  if (name == "capitalize") return capitalized(text);
  unread("the method", name);
}

Value apply_filter(const Value& to, std::string_view name, const Arguments& arguments) {
  if (name == "trim") return stripped(to.text(), arguments.at(0, "chars"), Ends::both);
  if (name == "length" || name == "count") return length_of(to);
  if (name == "string") return to.text();
  if (name == "int" && (to.integer() || to.boolean())) return integer_of(to);
  if (name == "safe") return to;
  if (name == "upper") return upper(to.text());
  if (name == "lower") return lower(to.text());
  if (name == "title") return title(to.text());
  if (name == "capitalize") return capitalized(to.text());
  if (name == "tojson" && arguments.size() == 0) return json_of(to);
  if (name == "replace") return replaced(to.text(), arguments.text(0), arguments.text(1));
  if (name == "list") return elements_of(to);
  if (name == "join") return joined(to, arguments.size() > 0 ? arguments.text(0, "d") : "");
  if (name == "items" && to.dict()) return items_of(*to.dict());
  if (name == "selectattr" || name == "rejectattr") return selected(to, arguments, name == "selectattr");
  if (name == "map" && arguments.at(9, "attribute").string()) return attributes_of(to, arguments.text(9, "attribute"));
  if (name == "default" || name == "d") {
    const bool stands_in = to.is_undefined() || (arguments.at(1, "boolean").truth() && !to.truth());
    return stands_in ? arguments.at(0, "default_value") : to;
  }
  if (name == "first" || name == "last")
    return to.is_undefined() ? to : item_of(to, std::int64_t{name == "first" ? 0 : -1});
  unread("the filter", name);
}

bool passes_test(const Value& value, std::string_view name, const Arguments& arguments) {
  if (name == "defined") return !value.is_undefined();
  if (name == "undefined") return value.is_undefined();
  if (name == "none") return value.is_none();
  if (name == "string") return value.string() != nullptr;
  if (name == "mapping") return value.dict() != nullptr;
  if (name == "boolean") return value.boolean() != nullptr;
  if (name == "integer" || name == "number") return value.integer() != nullptr;
  if (name == "iterable" || name == "sequence") return value.string() || value.list() || value.dict();
  if (name == "true" || name == "false") return value.boolean() && *value.boolean() == (name == "true");
  if (name == "equalto" || name == "eq") return value == arguments.at(0);
  if (name == "ne") return !(value == arguments.at(0));
  if (name == "in") return contains(arguments.at(0), value);
  if (name == "odd" || name == "even") return (integer_of(value) % 2 != 0) == (name == "odd");
  unread("the test", name);
}

Value combine(std::string_view sign, const Value& a, const Value& b) {
  if (sign == "==") return a == b;
  if (sign == "!=") return !(a == b);
  if (sign == "in") return contains(b, a);
  if (sign == "~") return a.text() + b.text();
  if (sign == "+" && a.string() && b.string()) return *a.string() + *b.string();
  if (sign == "+" && a.list() && b.list()) {
    List all = *a.list();
    all.insert(all.end(), b.list()->begin(), b.list()->end());
    return all;
  }
  if (sign == "<") return order_of(a, b) < 0;
  if (sign == "<=") return order_of(a, b) <= 0;
  if (sign == ">") return order_of(a, b) > 0;
  if (sign == ">=") return order_of(a, b) >= 0;
  if (sign == "/") unread("the sign", sign);
  const std::int64_t x = integer_of(a), y = integer_of(b);
  constexpr std::int64_t most = 1'000'000'000;
  if (std::max({x, -x, y, -y}) > most) throw Fault{"a number is too large"};
  if (sign == "+") return x + y;
  if (sign == "-") return x - y;
  if (sign == "*") return x * y;
  return divided(x, y, sign == "%");
}

Value item_of(const Value& of, const Value& which) {
  if (of.is_undefined()) misused("an item", of);
  if (which.string()) {
    const Value* const found = of.find(*which.string());
    return found ? *found : Value();
  }
  const Sequence all(of);
  const std::int64_t place = integer_of(which), at = place < 0 ? place + all.size() : place;
  return at >= 0 && at < all.size() ? all[at] : Value();
}

// Python's: negative places count from the end, and a negative step goes backwards.
Value slice_of(const Value& of, const Value& first, const Value& last, const Value& step) {
  const Sequence all(of);
  const std::int64_t n = all.size(), by = step.is_undefined() ? 1 : integer_of(step);
  if (by == 0) throw Fault{"a slice has no step"};
  const std::int64_t lowest = by > 0 ? 0 : -1, highest = by > 0 ? n : n - 1;
  const auto place = [&](const Value& value, std::int64_t otherwise) {
    if (value.is_undefined() || value.is_none()) return otherwise;
    const std::int64_t at = integer_of(value);
    return std::clamp(at < 0 ? at + n : at, lowest, highest);
  };
  List taken;
  std::string text;
  const std::int64_t end = place(last, by > 0 ? highest : lowest);
  for (std::int64_t i = place(first, by > 0 ? lowest : highest); by > 0 ? i < end : i > end; i += by) {
    if (of.string()) text += *all[i].string();
    else taken.push_back(all[i]);
  }
  if (of.string()) return text;
  return taken;
}

}  // namespace tsrun::jinja
