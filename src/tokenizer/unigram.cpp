#include "unigram.hpp"

#include <algorithm>

#include "utf8.hpp"

namespace tsrun {
namespace {

std::vector<Trie::Entry> texts_of(const TokenizerData& data, const IdOf& id_of) {
  std::vector<Trie::Entry> entries;
  for (const auto& [text, id] : id_of) {
    if (!text.empty() && data.types[static_cast<std::size_t>(id)] == TokenType::normal) entries.emplace_back(text, id);
  }
  return entries;
}

constexpr double penalty = 10;

}  // namespace

Unigram::Unigram(const TokenizerData& data, const IdOf& id_of)
    : trie_(texts_of(data, id_of)),
      scores_(data.scores),
      unknown_score_(*std::min_element(scores_.begin(), scores_.end()) - penalty),
      unknown_(unknown_token(data)),
      of_byte_(byte_tokens(id_of)),
      byte_fallback_(data.byte_fallback) {}

std::vector<Unigram::Step> Unigram::best_steps(std::string_view piece) const {
  std::vector<Step> steps(piece.size() + 1);
  const auto offer = [&steps](std::size_t begin, std::size_t length, double score, std::int32_t id) {
    Step& step = steps[begin + length];
    const double sum = steps[begin].score + score;
    if (step.length == 0 || sum > step.score) step = {sum, static_cast<std::uint32_t>(length), id};
  };
  for (std::size_t at = 0; at < piece.size();) {
    const std::size_t size = character_size(piece[at]);
    bool has_character = false;
    trie_.match(piece, at, [&](std::size_t length, std::int32_t id) {
      offer(at, length, scores_[static_cast<std::size_t>(id)], id);
      has_character = has_character || length == size;
    });
    if (!has_character) offer(at, size, unknown_score_, -1);
    at += size;
  }
  return steps;
}

void Unigram::append_unknown(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (byte_fallback_ && append_bytes(text, of_byte_, ids)) return;
  if (unknown_ < 0) throw LackedCharacter{std::string(text.substr(0, character_size(text[0])))};
  ids.push_back(unknown_);
}

void Unigram::encode(std::string_view piece, std::vector<std::int32_t>& ids) const {
  const std::vector<Step> steps = best_steps(piece);
  std::vector<std::size_t> ends;  // of the tokens, the last first
  for (std::size_t end = piece.size(); end > 0; end -= steps[end].length) ends.push_back(end);
  for (auto end = ends.rbegin(); end != ends.rend(); ++end) {
    if (steps[*end].id >= 0) {
      ids.push_back(steps[*end].id);
      continue;
    }
    const std::size_t begin = *end - steps[*end].length;
    while (std::next(end) != ends.rend() && steps[*std::next(end)].id < 0) ++end;
    append_unknown(piece.substr(begin, *end - begin), ids);
  }
}

}  // namespace tsrun
