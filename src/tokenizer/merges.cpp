#include "merges.hpp"

#include <algorithm>
#include <queue>

#include "tsrun/core/text.hpp"
#include "utf8.hpp"

namespace tsrun {
namespace {

// A run of the text that is one token so far, in a list of its neighbours.
struct Symbol {
  std::int32_t id, previous, next;
};

struct Candidate {
  std::int32_t rank, at, left, right, id;
  bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : at > other.at; }
};

// Beyond so many a queue is faster than looking through all of them for each merge.
constexpr std::size_t few = 32;

// Of merges that follow from scores: a token is cut everywhere, which takes the square of its length.
constexpr std::size_t longest_merged = 1024;
constexpr std::size_t most_merges = std::size_t{1} << 24U;

std::int64_t number(std::size_t n) { return static_cast<std::int64_t>(n); }

std::string_view first_character(std::string_view text) { return text.substr(0, character_size(text[0])); }

std::string_view last_character(std::string_view text) {
  std::size_t last = text.size() - 1;
  while (last > 0 && continues_character(text[last])) --last;
  return text.substr(last);
}

}  // namespace

Merges::Merges(const TokenizerData& data, const IdOf& id_of, const std::string& where) {
  if (data.merges.empty() && !data.scores.empty()) read_scores(data, id_of, where);
  else read_list(data, id_of, where);
  find_joints(data, id_of);
}

void Merges::read_list(const TokenizerData& data, const IdOf& id_of, const std::string& where) {
  table_.reserve(data.merges.size());
  std::string whole;
  for (std::size_t m = 0; m < data.merges.size(); ++m) {
    const std::string_view words = data.merges[m];
    const auto id = [&](std::string_view token) {
      const auto found = id_of.find(token);
      if (found == id_of.end())
        contradiction(text("a merge names the token \"", printable(token), "\", which the vocabulary lacks"), where,
                      {{"merge", number(m)}, {"tokens", number(data.tokens.size())}});
      return found->second;
    };
    const std::size_t space = words.find(' ');
    if (space == std::string_view::npos || words.find(' ', space + 1) != std::string_view::npos)
      contradiction(text("the merge \"", printable(words), "\" is not two tokens"), where, {{"merge", number(m)}});
    const std::string_view left = words.substr(0, space), right = words.substr(space + 1);
    whole.assign(left).append(right);
    if (!table_.insert(id(left), id(right), {static_cast<std::int32_t>(m), id(whole)}))
      contradiction(text("the merge \"", printable(words), "\" has two ranks"), where,
                    {{"merge", std::int64_t{table_.find(id(left), id(right)).rank}}, {"again", number(m)}});
  }
}

void Merges::read_scores(const TokenizerData& data, const IdOf& id_of, const std::string& where) {
  struct Found {
    std::int32_t left, right, id;
  };
  const auto in_use = [&data](std::int32_t id) {
    const TokenType type = data.types[static_cast<std::size_t>(id)];
    return type == TokenType::normal || type == TokenType::user_defined || type == TokenType::unused;
  };
  std::vector<Found> found;
  for (const auto& [text, id] : id_of) {
    if (text.empty() || !in_use(id)) continue;
    if (text.size() > longest_merged || found.size() > most_merges)
      contradiction(tsrun::text("the token \"", printable(text), "\" is absurdly long, or has too many others in it"), where,
                    {{"id", std::int64_t{id}}, {"bytes", number(text.size())}, {"longest", number(longest_merged)}});
    for (std::size_t cut = character_size(text[0]); cut < text.size(); cut += character_size(text[cut])) {
      const auto left = id_of.find(text.substr(0, cut)), right = id_of.find(text.substr(cut));
      if (left != id_of.end() && right != id_of.end() && in_use(left->second) && in_use(right->second))
        found.push_back({left->second, right->second, id});
    }
  }
  const auto score = [&data](const Found& f) { return data.scores[static_cast<std::size_t>(f.id)]; };
  std::sort(found.begin(), found.end(), [&](const Found& a, const Found& b) { return score(a) > score(b); });
  table_.reserve(found.size());
  std::int32_t rank = 0;  // the same for the same score: the first in the text merges first then
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0 && score(found[i]) < score(found[i - 1])) ++rank;
    table_.insert(found[i].left, found[i].right, {rank, found[i].id});
  }
}

void Merges::find_joints(const TokenizerData& data, const IdOf& id_of) {
  // What a text is before any merge: characters, bytes, what is unknown.
  const auto stands_first = [&](std::int32_t id) {
    const TokenType type = data.types[static_cast<std::size_t>(id)];
    const std::string_view text = data.tokens[static_cast<std::size_t>(id)];
    const bool is_character = !text.empty() && first_character(text).size() == text.size();
    return is_character || id == data.unknown || (type != TokenType::normal && type != TokenType::user_defined);
  };
  const auto ends_of = [&](std::int32_t id, std::string_view (*edge)(std::string_view)) {
    const std::string_view text = data.tokens[static_cast<std::size_t>(id)];
    const auto found = text.empty() ? id_of.end() : id_of.find(edge(text));
    std::vector<std::int32_t> ends;
    if (found != id_of.end()) ends.push_back(found->second);
    if (stands_first(id)) ends.push_back(id);
    return ends;
  };
  std::vector<std::pair<std::int32_t, std::int32_t>> joints;
  table_.each_pair([&](std::int32_t left, std::int32_t right) {
    for (const std::int32_t l : ends_of(left, last_character))
      for (const std::int32_t r : ends_of(right, first_character)) joints.emplace_back(l, r);
  });
  std::sort(joints.begin(), joints.end());
  joints.erase(std::unique(joints.begin(), joints.end()), joints.end());
  joints_.reserve(joints.size());
  for (const auto& [l, r] : joints) joints_.insert(l, r, {0, 0});
}

void Merges::run(std::vector<std::int32_t>& ids, std::size_t from) const {
  const std::size_t n = ids.size();
  if (n - from <= few) return ids.resize(from + merge_few(ids.data() + from, n - from));
  std::size_t out = from;
  for (std::size_t begin = from, end = from + 1; begin < n; begin = end++) {
    while (end < n && joints_.find(ids[end - 1], ids[end]).id >= 0) ++end;
    std::int32_t* const part = ids.data() + begin;
    const std::size_t left = end - begin <= few ? merge_few(part, end - begin) : merge_many(part, end - begin);
    std::copy(part, part + left, ids.data() + out);
    out += left;
  }
  ids.resize(out);
}

std::size_t Merges::merge_many(std::int32_t* id, std::size_t count) const {
  const auto n = static_cast<std::int32_t>(count);
  std::vector<Symbol> symbols;
  symbols.reserve(count);
  for (std::int32_t i = 0; i < n; ++i) symbols.push_back({id[i], i - 1, i + 1 < n ? i + 1 : -1});
  const auto at = [&symbols](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::int32_t left) {
    if (left < 0 || at(left).next < 0) return;
    const std::int32_t l = at(left).id, r = at(at(left).next).id;
    const Merge merge = table_.find(l, r);
    if (merge.id >= 0) queue.push({merge.rank, left, l, r, merge.id});
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
  std::size_t left = 0;
  for (std::int32_t i = 0; i >= 0; i = at(i).next) id[left++] = at(i).id;
  return left;
}

std::size_t Merges::merge_few(std::int32_t* id, std::size_t n) const {
  Merge with_next[few];
  for (std::size_t i = 0; i + 1 < n; ++i) with_next[i] = table_.find(id[i], id[i + 1]);
  while (n > 1) {
    std::size_t best = n;
    for (std::size_t i = 0; i + 1 < n; ++i)
      if (with_next[i].id >= 0 && (best == n || with_next[i].rank < with_next[best].rank)) best = i;
    if (best == n) break;
    id[best] = with_next[best].id;
    std::copy(id + best + 2, id + n, id + best + 1);
    std::copy(with_next + best + 2, with_next + n, with_next + best + 1);
    --n;
    if (best > 0) with_next[best - 1] = table_.find(id[best - 1], id[best]);
    if (best + 1 < n) with_next[best] = table_.find(id[best], id[best + 1]);
  }
  return n;
}

}  // namespace tsrun
