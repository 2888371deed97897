// Small words for building messages, since the compilers of Debian 12 have no std::format; and what of a text is UTF-8,
// so that messages and readers agree on it.
#pragma once

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace tsrun {

// Parts as a stream would write them: text("heads ", 9, " over ", 2) == "heads 9 over 2"
template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  // A stream takes far longer to make than a word or a number to append.
  const auto append = [&out]<class Part>(const Part& part) {
    if constexpr (std::is_convertible_v<const Part&, std::string_view>) {
      out += std::string_view(part);
    } else if constexpr (std::is_same_v<Part, char>) {
      out += part;
    } else if constexpr (std::is_integral_v<Part> && sizeof(Part) > 1) {
      out += std::to_string(part);
    } else {
      std::ostringstream stream;
      stream << part;
      out += stream.str();
    }
  };
  (append(parts), ...);
  return out;
}

// "3.1 MiB", "12 B"
std::string human_bytes(double bytes);
// "41 us", "1.3 s"
std::string human_seconds(double seconds);
// "a, b, c"
std::string join(const std::vector<std::string>& words, std::string_view separator = ", ");

// The UTF-8 character with which a text begins (Unicode, table 3-7): bytes of all of it, 0 where its first byte begins
// none, and those of them that are there, up to the first that cannot belong to it.
struct Utf8Beginning {
  std::size_t size = 0, there = 0;
  bool is_whole() const { return size > 0 && there == size; }
};
Utf8Beginning utf8_beginning(std::string_view text);
// Bytes of the whole character at the beginning of a text, 0 if there is none.
std::size_t utf8_character(std::string_view text);
// The offset of the first byte that is not of a whole, shortest-form character up to U+10FFFF, surrogates left out.
std::optional<std::size_t> invalid_utf8(std::string_view text);
// Short and plain ASCII, whatever the bytes are: "blk.0\x07...". For messages.
std::string printable(std::string_view bytes);
// Words of a file for people: what is no UTF-8, or a terminal would obey, stands as \x1b.
std::string harmless(std::string_view text);

}  // namespace tsrun
