#include "tsrun/core/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tsrun {
namespace {

std::string short_number(double value, const char* unit) {
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), value < 9.95 ? "%.2g %s" : "%.0f %s", value, unit);
  return out.data();
}

void append_hex(std::string& out, char c) {
  constexpr char digits[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += {'\\', 'x', digits[byte >> 4U], digits[byte & 15U]};
}

}  // namespace

std::string human_bytes(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int unit = 0;
  for (; bytes >= 1023.5 && unit < 5; ++unit) bytes /= 1024;
  return short_number(bytes, units[unit]);
}

std::string human_seconds(double seconds) {
  // From where the digits printed would round up to 1000 of the smaller unit.
  if (seconds >= 0.9995) return short_number(seconds, "s");
  if (seconds >= 0.9995e-3) return short_number(seconds * 1e3, "ms");
  return short_number(seconds * 1e6, "us");
}

Utf8Beginning utf8_beginning(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return {};
  const unsigned lead = byte(0);
  if (lead < 0x80) return {1, 1};
  if (lead < 0xc2 || lead > 0xf4) return {};
  const std::size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // The second byte's limits: nothing that is shorter otherwise, no surrogates, nothing above U+10FFFF.
  unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  std::size_t there = 1;
  for (; there < size && there < text.size() && byte(there) >= least && byte(there) <= most; ++there)
    least = 0x80, most = 0xbf;
  return {size, there};
}

std::size_t utf8_character(std::string_view text) {
  const Utf8Beginning character = utf8_beginning(text);
  return character.is_whole() ? character.size : 0;
}

std::optional<std::size_t> invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = utf8_character(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::nullopt;
}

std::string printable(std::string_view bytes) {
  constexpr std::size_t longest = 80;
  std::string out;
  for (const char c : bytes.substr(0, longest))
    if (c >= 0x20 && c < 0x7f) out += c;
    else append_hex(out, c);
  return bytes.size() > longest ? out + "..." : out;
}

std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
    size = std::max<std::size_t>(1, utf8_character(text.substr(at)));
    const auto first = static_cast<unsigned char>(text[at]);
    const auto second = static_cast<unsigned char>(size > 1 ? text[at + 1] : 0);
    const bool steers = first < 0x20 || first == 0x7f || (first == 0xc2 && second < 0xa0);
    const bool valid = size > 1 || first < 0x80;
    if (valid && !steers) out += text.substr(at, size);
    else
      for (const char c : text.substr(at, size)) append_hex(out, c);
  }
  return out;
}

std::string join(const std::vector<std::string>& words, std::string_view separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

}  // namespace tsrun
