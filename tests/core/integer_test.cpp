// Padding, and products that do not wrap.
#include "tsrun/core/integer.hpp"

#include <doctest/doctest.h>

using namespace tsrun;

TEST_CASE("sizes are rounded up to a multiple") {
  CHECK(ceil_div(0, 4) == 0);
  CHECK(ceil_div(1, 4) == 1);
  CHECK(ceil_div(8, 4) == 2);
  CHECK(ceil_div(9, 4) == 3);
  CHECK(round_up(49152, 6) == 49152);
  CHECK(round_up(9, 2) == 10);
  for (std::int64_t a = 0; a < 50; ++a)
    for (std::int64_t m = 1; m < 9; ++m) {
      CHECK(round_up(a, m) % m == 0);
      CHECK(round_up(a, m) >= a);
      CHECK(round_up(a, m) < a + m);
    }
}

TEST_CASE("a product or sum beyond 2^63 - 1 is nothing") {
  constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  CHECK(checked_mul(3, 4) == 12U);
  CHECK(checked_mul(0, ~std::uint64_t{0}) == 0U);
  CHECK(checked_mul(largest, 1) == largest);
  CHECK_FALSE(checked_mul(largest, 2).has_value());
  CHECK_FALSE(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 31).has_value());
  CHECK_FALSE(checked_mul(std::uint64_t{1} << 32, std::uint64_t{1} << 32).has_value());  // 2^64, which wraps to 0
  CHECK(checked_mul(std::uint64_t{1} << 31, std::uint64_t{1} << 31) == std::uint64_t{1} << 62);
  CHECK(checked_add(largest - 1, 1) == largest);
  CHECK_FALSE(checked_add(largest, 1).has_value());
  CHECK_FALSE(checked_add(~std::uint64_t{0}, 1).has_value());  // wraps to 0
}
