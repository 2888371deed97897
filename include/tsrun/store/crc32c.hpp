// CRC-32C (Castagnoli), and the spans of a dataset that carry one each.
//
// A dataset's bytes are cut into spans of 4 MiB, the last one shorter. A rank that wants some rows reads the spans
// that hold them whole, and takes nothing from a span before its CRC is right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tsrun/core/integer.hpp"

namespace tsrun {

// `before` is the CRC of the bytes in front of these: crc32c(b, crc32c(a)) is the CRC of a followed by b.
// The standard check: crc32c("123456789") == 0xE3069283.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

inline constexpr std::int64_t span_bytes = std::int64_t{4} << 20;
constexpr std::int64_t spans_of(std::int64_t bytes) { return ceil_div(bytes, span_bytes); }

}  // namespace tsrun
