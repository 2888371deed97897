#include "bpe.hpp"

#include <algorithm>
#include <queue>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

// Bytes that are printable in Latin-1 stand for themselves; the others are numbered from U+0100.
constexpr bool stands_for_itself(unsigned byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::array<unsigned, 256> alphabet = [] {
  std::array<unsigned, 256> letters{};
  unsigned next = 256;
  for (unsigned b = 0; b < 256; ++b) letters[b] = stands_for_itself(b) ? b : next++;
  return letters;
}();

// The byte of each letter below U+0144, -1 where there is none.
constexpr std::array<int, 324> byte_of = [] {
  std::array<int, 324> bytes{};
  bytes.fill(-1);
  for (unsigned b = 0; b < 256; ++b) bytes[alphabet[b]] = static_cast<int>(b);
  return bytes;
}();

// A run of bytes that is one token so far, in a list of its neighbours.
struct Symbol {
  std::int32_t id, previous, next;
};

struct Candidate {
  std::int32_t rank, at, left, right, id;
  bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
};

std::int64_t number(std::size_t n) { return static_cast<std::int64_t>(n); }

[[noreturn]] void contradiction(std::string what, const std::string& where, Numbers numbers) {
  refuse({.what = std::move(what), .where = where, .numbers = std::move(numbers),
          .next = "convert the model again from an undamaged file"});
}

// Tokens that are not in use may repeat a filler text; any other text means one id.
std::unordered_map<std::string_view, std::int32_t> ids_by_text(const TokenizerData& data, const std::string& where) {
  std::unordered_map<std::string_view, std::int32_t> id_of;
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    const auto [first, is_new] = id_of.emplace(data.tokens[i], static_cast<std::int32_t>(i));
    if (!is_new && data.types[i] != TokenType::unused)
      contradiction(text("two tokens have the text \"", data.tokens[i], "\""), where,
                    {{"id", std::int64_t{first->second}}, {"again", number(i)}});
  }
  return id_of;
}

}  // namespace

bool bytes_of_token(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    unsigned letter = c;
    if (c >= 0xc2 && c <= 0xc5 && i + 1 < text.size()) {
      letter = (c & 0x1fU) << 6 | (static_cast<unsigned char>(text[++i]) & 0x3fU);
    } else if (c >= 0x80) {
      return false;
    }
    if (letter >= byte_of.size() || byte_of[letter] < 0) return false;
    bytes += static_cast<char>(byte_of[letter]);
  }
  return true;
}

std::string letter_of_byte(unsigned char byte) {
  const unsigned letter = alphabet[byte];
  if (letter < 0x80) return {static_cast<char>(letter)};
  return {static_cast<char>(0xc0U | letter >> 6), static_cast<char>(0x80U | (letter & 0x3fU))};
}

Bpe::Bpe(const TokenizerData& data, const std::string& where) {
  const IdOf id_of = ids_by_text(data, where);
  const bool has_unknown = data.unknown && data.types[static_cast<std::size_t>(*data.unknown)] != TokenType::control;
  for (unsigned b = 0; b < 256; ++b) {
    const auto found = id_of.find(letter_of_byte(static_cast<unsigned char>(b)));
    of_byte_[b] = found != id_of.end() ? found->second : has_unknown ? *data.unknown : -1;
  }
  read_merges(data, id_of, where);
  if (!data.ignore_merges) return;
  std::string bytes;
  for (std::size_t i = 0; i < data.tokens.size(); ++i)
    if (data.types[i] == TokenType::normal && bytes_of_token(data.tokens[i], bytes))
      whole_.emplace(bytes, static_cast<std::int32_t>(i));
}

void Bpe::read_merges(const TokenizerData& data, const IdOf& id_of, const std::string& where) {
  for (std::size_t m = 0; m < data.merges.size(); ++m) {
    const std::string& words = data.merges[m];
    const auto id = [&](const std::string& token) {
      const auto found = id_of.find(token);
      if (found == id_of.end())
        contradiction(text("a merge names the token \"", token, "\", which the vocabulary lacks"), where,
                      {{"merge", number(m)}, {"tokens", number(data.tokens.size())}});
      return found->second;
    };
    const std::size_t space = words.find(' ');
    if (space == std::string::npos || words.find(' ', space + 1) != std::string::npos)
      contradiction(text("the merge \"", words, "\" is not two tokens"), where, {{"merge", number(m)}});
    const std::string left = words.substr(0, space), right = words.substr(space + 1);
    const Merge merge{static_cast<std::int32_t>(m), id(left + right)};
    const auto [first, is_new] = merges_.emplace(pair(id(left), id(right)), merge);
    if (!is_new)
      contradiction(text("the merge \"", words, "\" has two ranks"), where,
                    {{"merge", std::int64_t{first->second.rank}}, {"again", number(m)}});
  }
}

std::optional<std::size_t> Bpe::first_lacked(std::string_view text) const {
  const auto is_lacked = [this](char c) { return of_byte_[static_cast<unsigned char>(c)] < 0; };
  const auto found = std::find_if(text.begin(), text.end(), is_lacked);
  if (found == text.end()) return std::nullopt;
  return static_cast<std::size_t>(found - text.begin());
}

void Bpe::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  if (!whole_.empty()) {
    const auto found = whole_.find(std::string(piece));
    if (found != whole_.end()) {
      ids.push_back(found->second);
      return;
    }
  }
  merge(piece, ids);
}

void Bpe::merge(std::string_view piece, std::vector<std::int32_t>& ids) const {
  std::vector<Symbol> symbols;
  const auto n = static_cast<std::int32_t>(piece.size());
  symbols.reserve(piece.size());
  for (std::int32_t i = 0; i < n; ++i) {
    const auto byte = static_cast<unsigned char>(piece[static_cast<std::size_t>(i)]);
    symbols.push_back({of_byte_[byte], i - 1, i + 1 < n ? i + 1 : -1});
  }
  const auto at = [&symbols](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int32_t left) {
    if (left < 0 || at(left).next < 0) return;
    const std::int32_t l = at(left).id, r = at(at(left).next).id;
    const auto found = merges_.find(pair(l, r));
    if (found != merges_.end()) queue.push({found->second.rank, left, l, r, found->second.id});
  };
  for (std::int32_t i = 0; i + 1 < n; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.at);
    // Its symbols may have been merged otherwise meanwhile; a merged-away symbol has id -1.
    if (left.id != best.left || left.next < 0 || at(left.next).id != best.right) continue;
    Symbol& right = at(left.next);
    left.id = best.id;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = best.at;
    offer(left.previous);
    offer(best.at);
  }
  for (std::int32_t i = n > 0 ? 0 : -1; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

}  // namespace tsrun
