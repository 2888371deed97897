// Strings and sizes that come from a foreign file: shown safely in messages, and checked before they are kept.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tsrun/core/error.hpp"

namespace tsrun {

// Short and plain ASCII, whatever the bytes are: "blk.0\x07...". For messages.
std::string printable(std::string_view raw);
// Whether the text can be shown as it is: no control characters.
bool is_plain(std::string_view raw);
// A size for a message, however absurd: as text where it has no place in 63 bits.
Number number(std::uint64_t value);
// Whole characters only, none of them overlong, a surrogate or above U+10FFFF.
bool is_utf8(std::string_view raw);

}  // namespace tsrun
