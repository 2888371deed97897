// Texts, sizes and times as people read them.
#include "tsrun/core/text.hpp"

#include <doctest/doctest.h>

using namespace tsrun;

TEST_CASE("parts become one text") {
  CHECK(text("heads ", 9, " over ", 2) == "heads 9 over 2");
  CHECK(join({"a", "b", "c"}) == "a, b, c");
  CHECK(join({"a", "b"}, " x ") == "a x b");
  CHECK(join({}).empty());
}

TEST_CASE("a character of UTF-8 is whole and in its shortest form, and no surrogate") {
  for (const char* const one : {"a", "\x7f", "\u00e9", "\u2581", "\U0001f600", "\xf4\x8f\xbf\xbf"})
    CHECK(utf8_character(std::string(one) + "z") == std::string_view(one).size());
  for (const char* const none :
       {"", "\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"})
    CHECK(utf8_character(none) == 0);
}

TEST_CASE("the first byte that is no character is found") {
  CHECK_FALSE(invalid_utf8(""));
  CHECK_FALSE(invalid_utf8("a\u00e9\U0001f600"));
  CHECK(invalid_utf8("a\u00e9\xff") == 3);
  CHECK(invalid_utf8("\u2581\xe2\x96") == 3);
}

TEST_CASE("bytes in a message are short and plain") {
  CHECK(printable("blk.0\x07 \xff\x7f") == "blk.0\\x07 \\xff\\x7f");
  CHECK(printable(std::string(80, 'a')) == std::string(80, 'a'));
  CHECK(printable(std::string(81, 'a')) == std::string(80, 'a') + "...");
}

TEST_CASE("words of a file cannot steer a terminal") {
  CHECK(harmless("caf\u00e9 \U0001f600") == "caf\u00e9 \U0001f600");
  CHECK(harmless("a\x1b[31m\n\x7f") == "a\\x1b[31m\\x0a\\x7f");
  CHECK(harmless("\u009b31m\u00a0") == "\\xc2\\x9b31m\u00a0");  // the same as escape and bracket
  CHECK(harmless("\xff\xe2\x96z") == "\\xff\\xe2\\x96z");
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
