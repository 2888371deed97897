// Strings and sizes that come from a foreign file: shown safely in messages, and checked before they are kept.
#pragma once

#include <cstdint>
#include <string_view>

#include "tsrun/core/error.hpp"

namespace tsrun {

// Whether the text can be shown as it is: no control characters.
bool is_plain(std::string_view raw);
// A size for a message, however absurd: as text where it has no place in 63 bits.
Number number(std::uint64_t value);

}  // namespace tsrun
