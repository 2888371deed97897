#include "tsrun/layout/torus.hpp"

#include <charconv>

#include "tsrun/core/text.hpp"

namespace tsrun {

std::string to_text(const Torus& t) { return text(t.X, "x", t.Y, "x", t.Z); }

Torus parse_torus(std::string_view words) {
  int sizes[3] = {};
  const char* at = words.data();
  const char* const end = words.data() + words.size();
  bool good = true;
  for (int i = 0; i < 3 && good; ++i) {
    const auto [next, error] = std::from_chars(at, end, sizes[i]);
    good = error == std::errc() && sizes[i] >= 1 && sizes[i] <= 4096;
    at = next;
    if (good && i < 2) good = at != end && *at++ == 'x';
  }
  if (!good || at != end)
    refuse({.what = text("\"", words, "\" is not a mesh"),
            .where = "--mesh",
            .next = "write three sizes such as 2x2x2, or auto"});
  const std::int64_t chips = std::int64_t{1} * sizes[0] * sizes[1] * sizes[2];
  if (chips > most_torus_chips)
    refuse({.what = "more chips than any mesh here has",
            .where = "--mesh",
            .numbers = {{"chips", chips}, {"most", most_torus_chips}},
            .next = "write a smaller mesh"});
  return {sizes[0], sizes[1], sizes[2]};
}

std::vector<Torus> tori_of(int chips) {
  std::vector<Torus> all;
  for (int x = 1; x <= chips; ++x) {
    if (chips % x != 0) continue;
    for (int y = 1; y <= chips / x; ++y)
      if (chips / x % y == 0) all.push_back({x, y, chips / x / y});
  }
  return all;
}

}  // namespace tsrun
