// Sizes and times as people read them.
#include "tsrun/core/text.hpp"

#include <doctest/doctest.h>

using namespace tsrun;

TEST_CASE("parts become one text") {
  CHECK(text("heads ", 9, " over ", 2) == "heads 9 over 2");
  CHECK(join({"a", "b", "c"}) == "a, b, c");
  CHECK(join({"a", "b"}, " x ") == "a x b");
  CHECK(join({}).empty());
}

TEST_CASE("bytes in two or three digits, with the largest unit that leaves a digit before the point") {
  CHECK(human_bytes(0) == "0 B");
  CHECK(human_bytes(12) == "12 B");
  CHECK(human_bytes(1023) == "1023 B");
  CHECK(human_bytes(1024) == "1 KiB");
  CHECK(human_bytes(3.1 * 1024 * 1024) == "3.1 MiB");
  CHECK(human_bytes(9.94 * 1024) == "9.9 KiB");
  CHECK(human_bytes(9.97 * 1024) == "10 KiB");
  CHECK(human_bytes(1023.7 * 1024) == "1 MiB");
  CHECK(human_bytes(5e15) == "4.4 PiB");
  CHECK(human_bytes(1e19) == "8882 PiB");  // beyond the last unit it just grows
}

TEST_CASE("seconds likewise, and the step to the next unit is taken when rounding reaches it") {
  CHECK(human_seconds(41e-6) == "41 us");
  CHECK(human_seconds(1.3) == "1.3 s");
  CHECK(human_seconds(0.25) == "250 ms");
  CHECK(human_seconds(120) == "120 s");
  CHECK(human_seconds(0) == "0 us");
  CHECK(human_seconds(0.9999) == "1 s");
  CHECK(human_seconds(999.7e-6) == "1 ms");
}
