// How many rows a kernel is to expect.
#pragma once

#include <cstdint>

namespace tsrun {

// What is expected of a pass, not the number at hand: the bits of a row shall not depend on those beside it. A pass of
// decoding has few rows and reads weights at the speed of memory; prefill has many.
enum class Rows : std::uint8_t { few, many };

}  // namespace tsrun
