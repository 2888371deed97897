#include "nfc.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <unordered_map>
#include <vector>

#include "nfc_singles.hpp"
#include "nfc_table.hpp"
#include "utf8.hpp"

namespace tsrun {
namespace {

// Hangul syllables are composed by rule (The Unicode Standard, section 3.12).
constexpr char32_t syllables = 0xac00, leads = 0x1100, vowels = 0x1161, trails = 0x11a7;
constexpr char32_t lead_count = 19, vowel_count = 21, trail_count = 28, syllable_count = 11172;

struct Character {
  char32_t point;
  unsigned combining;
};

unsigned combining_class(char32_t point) {
  const auto* const found = std::lower_bound(std::begin(combining_classes), std::end(combining_classes), point,
                                             [](const CombiningClass& c, char32_t p) { return c.last < p; });
  return found != std::end(combining_classes) && found->first <= point ? found->value : 0;
}

template <class Entry, std::size_t n>
const Entry* find(const Entry (&table)[n], char32_t point) {
  const auto* const found = std::lower_bound(std::begin(table), std::end(table), point,
                                             [](const Entry& entry, char32_t p) { return entry.point < p; });
  return found != std::end(table) && found->point == point ? found : nullptr;
}

void decompose(char32_t point, std::vector<Character>& out) {
  if (point < 0xc0) return out.push_back({point, 0});
  if (point >= syllables && point < syllables + syllable_count) {
    const char32_t index = point - syllables;
    out.push_back({leads + index / (vowel_count * trail_count), 0});
    out.push_back({vowels + index / trail_count % vowel_count, 0});
    if (index % trail_count != 0) out.push_back({trails + index % trail_count, 0});
    return;
  }
  if (const Single* const single = find(singles, point)) return decompose(single->other, out);
  const Decomposition* pair = find(pairs, point);
  if (pair == nullptr) pair = find(pairs_apart, point);
  if (pair == nullptr) return out.push_back({point, combining_class(point)});
  decompose(pair->first, out);
  decompose(pair->second, out);
}

// Marks between two characters of class 0, by class.
void order_marks(std::vector<Character>& text) {
  const auto is_mark = [](const Character& c) { return c.combining != 0; };
  for (auto at = std::find_if(text.begin(), text.end(), is_mark); at != text.end();) {
    const auto end = std::find_if_not(at, text.end(), is_mark);
    std::stable_sort(at, end, [](const Character& a, const Character& b) { return a.combining < b.combining; });
    at = std::find_if(end, text.end(), is_mark);
  }
}

// The character that the two make, 0 if they make none.
char32_t composed(char32_t first, char32_t second) {
  static const auto known = [] {
    std::unordered_map<std::uint64_t, char32_t> map;
    for (const Decomposition& d : pairs) map.emplace(std::uint64_t{d.first} << 32U | d.second, d.point);
    return map;
  }();
  if (first >= leads && first < leads + lead_count && second >= vowels && second < vowels + vowel_count)
    return syllables + ((first - leads) * vowel_count + (second - vowels)) * trail_count;
  if (first >= syllables && first < syllables + syllable_count && (first - syllables) % trail_count == 0 &&
      second > trails && second < trails + trail_count)
    return first + (second - trails);
  const auto found = known.find(std::uint64_t{first} << 32U | second);
  return found != known.end() ? found->second : 0;
}

// A mark composes with the last character of class 0 unless one of its class, or such a character, stands between.
void compose(std::vector<Character>& text) {
  std::size_t out = 0, starter = text.size();
  for (const Character c : text) {
    const bool adjacent = starter + 1 == out;
    const bool blocked = starter >= out || (!adjacent && (text[out - 1].combining >= c.combining));
    const char32_t whole = blocked ? 0 : composed(text[starter].point, c.point);
    if (whole != 0) {
      text[starter].point = whole;
      continue;
    }
    if (c.combining == 0) starter = out;
    text[out++] = c;
  }
  text.resize(out);
}

}  // namespace

std::string nfc(std::string_view text) {
  // Below U+0300, whose lead byte is 0xcc, everything is composed as it stands.
  const auto may_change = [](char c) { return static_cast<unsigned char>(c) >= 0xcc; };
  if (std::none_of(text.begin(), text.end(), may_change)) return std::string(text);
  std::vector<Character> characters;
  characters.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) decompose(next_point(text, at), characters);
  order_marks(characters);
  compose(characters);
  std::string out;
  for (const Character& c : characters) append_point(out, c.point);
  return out;
}

}  // namespace tsrun
