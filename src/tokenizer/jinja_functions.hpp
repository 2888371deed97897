// What templates do to values: methods of texts and dicts, filters, tests.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "jinja.hpp"

namespace tsrun::jinja {

// Arguments as they stand in a call; names are empty for those by place.
struct Arguments {
  std::vector<Value> values;
  std::vector<std::string> names;

  std::size_t size() const { return values.size(); }
  // The argument at this place or of this name; undefined if there is none.
  Value at(std::size_t place, std::string_view name = {}) const;
  std::string text(std::size_t place, std::string_view name = {}) const;  // Fault if it is no text
};

Value call_method(const Value& of, std::string_view name, const Arguments& arguments);
Value apply_filter(const Value& to, std::string_view name, const Arguments& arguments);
bool passes_test(const Value& value, std::string_view name, const Arguments& arguments);

// a + b, a in b, and so on.
Value combine(std::string_view sign, const Value& a, const Value& b);
Value item_of(const Value& of, const Value& which);
Value slice_of(const Value& of, const Value& first, const Value& last, const Value& step);
// What {% for %} goes through.
List elements_of(const Value& value);

}  // namespace tsrun::jinja
