#include "tsrun/core/text.hpp"

#include <array>
#include <cstdio>

namespace tsrun {
namespace {

std::string three_digits(double value, const char* unit) {
  std::array<char, 48> out{};
  std::snprintf(out.data(), out.size(), value < 9.95 ? "%.2g %s" : "%.0f %s", value, unit);
  return out.data();
}

}  // namespace

std::string human_bytes(double bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int unit = 0;
  for (; bytes >= 1023.5 && unit < 5; ++unit) bytes /= 1024;
  return three_digits(bytes, units[unit]);
}

std::string human_seconds(double seconds) {
  // From where the digits printed would round up to 1000 of the smaller unit.
  if (seconds >= 0.9995) return three_digits(seconds, "s");
  if (seconds >= 0.9995e-3) return three_digits(seconds * 1e3, "ms");
  return three_digits(seconds * 1e6, "us");
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
