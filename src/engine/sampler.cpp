#include "tsrun/engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>
#include <vector>

#include "tsrun/core/splitmix.hpp"

namespace tsrun {
namespace {

constexpr std::size_t penalised_tokens = 64;

struct Candidate {
  std::int32_t id = 0;
  double weight = 0;  // the logit, then the unnormalised probability
};

using Ids = std::unordered_set<std::int32_t>;
Ids penalised_ids(const Sampling& s, std::span<const std::int32_t> history) {
  if (s.repeat_penalty == 1) return {};
  const auto recent = history.last(std::min(history.size(), penalised_tokens));
  return {recent.begin(), recent.end()};
}
void penalise(double& logit, const Sampling& s) {
  logit = logit > 0 ? logit / s.repeat_penalty : logit * s.repeat_penalty;
}

bool heavier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

// `random`: from 0 to below 1.
std::int32_t drawn(std::vector<Candidate> all, const Sampling& s, double random) {
  if (s.temperature <= 0) return std::min_element(all.begin(), all.end(), heavier)->id;
  if (s.top_k > 0 && s.top_k < std::ssize(all)) {
    std::nth_element(all.begin(), all.begin() + s.top_k, all.end(), heavier);
    all.resize(static_cast<std::size_t>(s.top_k));
  }
  std::sort(all.begin(), all.end(), heavier);
  const double highest = all[0].weight;
  double sum = 0;
  for (Candidate& c : all) sum += c.weight = std::exp((c.weight - highest) / s.temperature);
  // The likeliest weighs 1, so min_p compares weights as they are. At least one token stays.
  double kept = 0;
  std::size_t count = 0;
  while (count < all.size() && (count == 0 || (kept < s.top_p * sum && all[count].weight >= s.min_p)))
    kept += all[count++].weight;
  double at = random * kept;
  for (std::size_t i = 0; i < count; ++i)
    if ((at -= all[i].weight) < 0) return all[i].id;
  return all[count - 1].id;
}

}  // namespace

double random_number(std::uint64_t seed, std::uint64_t sequence, std::uint64_t position) {
  return static_cast<double>(splitmix64(splitmix64(splitmix64(seed) ^ sequence) ^ position) >> 11) * 0x1p-53;
}

// How many of the likeliest raw logits are sure to hold the K tokens that are likeliest after the penalty.
//
// A penalty of at least 1 lowers the logits of at most 64 ids (penalised_tokens) and raises none. Let t be one of the
// final K. What stood before t in the raw order and does so no more was lowered: at most 64 ids. What still stands
// before t: at most K - 1. So t is among the first K + 64 of the raw order, and of its own part of the vocabulary.
//
// Others that are brought with them stand behind the final K, and the order has no ties (of equal logits the smaller id
// comes first), so the K are the same, with the same weights added up in the same order. Top-p and min-p choose among
// the K; temperature 0 takes the first.
std::int64_t Sampling::candidates() const {
  if (repeat_penalty < 1 || (temperature > 0 && top_k <= 0)) return 0;
  const std::int64_t kept = temperature > 0 ? std::min<std::int64_t>(top_k, INT32_MAX) : 1;
  return kept + (repeat_penalty == 1 ? 0 : static_cast<std::int64_t>(penalised_tokens));
}

std::int32_t sample(std::span<const float> logits, const Sampling& s, std::span<const std::int32_t> history,
                    std::uint64_t sequence) {
  std::vector<Candidate> all(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) all[i] = {static_cast<std::int32_t>(i), logits[i]};
  for (const std::int32_t id : penalised_ids(s, history)) penalise(all[static_cast<std::size_t>(id)].weight, s);
  return drawn(std::move(all), s, random_number(s.seed, sequence, history.size()));
}

std::int32_t sample(std::span<const Best> candidates, const Sampling& s, std::span<const std::int32_t> history,
                    std::uint64_t sequence) {
  std::vector<Candidate> all;
  const Ids recent = penalised_ids(s, history);
  for (const Best& b : candidates) {
    all.push_back({b.id, b.logit});
    if (recent.contains(b.id)) penalise(all.back().weight, s);
  }
  return drawn(std::move(all), s, random_number(s.seed, sequence, history.size()));
}

}  // namespace tsrun
