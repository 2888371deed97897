// Whole-number arithmetic of sizes: padding, and products that must not wrap when a file lies.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

namespace tsrun {

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t multiple) { return ceil_div(a, multiple) * multiple; }

// a * b, a + b for sizes that come from a file; nothing if the result leaves 0 .. 2^63 - 1.
constexpr std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out) || out > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return out;
}
constexpr std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t out = 0;
  if (__builtin_add_overflow(a, b, &out) || out > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return out;
}

}  // namespace tsrun
