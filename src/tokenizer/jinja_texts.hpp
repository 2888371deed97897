// What templates do to texts alone, in time and memory that their lengths bound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "jinja.hpp"

namespace tsrun::jinja {

enum class Ends : unsigned { first = 1, last = 2, both = 3 };

// Python's strip: white space, or the characters that are given.
std::string stripped(std::string_view text, const Value& characters, Ends ends);

// Of ASCII; Fault for a letter beyond it.
std::string upper(const std::string& text);
std::string lower(const std::string& text);
std::string capitalized(const std::string& text);
std::string title(const std::string& text);

// In linear time, which std::string::find does not promise.
std::size_t find_in(std::string_view text, std::string_view part, std::size_t from);

// Texts and lists grow by parts; one that grows beyond all measure is stopped before it is there.
void append(std::string& out, std::string_view part);
void append(List& out, std::string part);

std::string replaced(const std::string& text, const std::string& from, const std::string& to);
// At most `most` times, counted from the left; always where that is below 0.
List split(const std::string& text, const std::string& separator, std::int64_t most);

}  // namespace tsrun::jinja
