// What a cache of keys and values takes: f32, bf16, or int8 with an f16 scale for each 32 numbers of a head.
#pragma once

#include <cstdint>

#include "tsrun/core/dtype.hpp"

namespace tsrun {

// Bytes of one head's key or value of `width` numbers.
constexpr std::int64_t cached_bytes(DType type, std::int64_t width) {
  return width * bits(type) / 8 + (type == DType::int8 ? (width + group_size - 1) / group_size * 2 : 0);
}

}  // namespace tsrun
