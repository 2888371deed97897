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

// A logit that is no number is no candidate; the order of the others would not hold beside it.
double weight_of(float logit) { return std::isnan(logit) ? -INFINITY : logit; }

// Candidates by their weights, the heaviest first. Those that nobody asks for are not put in order: of a whole vocabulary
// few are.
class HeaviestFirst {
 public:
  explicit HeaviestFirst(std::vector<Candidate>& all) : all_(all) { std::make_heap(all.begin(), all.end(), lighter); }
  const Candidate& operator[](std::size_t i) {
    for (; ordered_ <= i; ++ordered_) std::pop_heap(all_.begin(), all_.end() - ordered_, lighter);
    return all_[all_.size() - 1 - i];
  }

 private:
  static bool lighter(const Candidate& a, const Candidate& b) { return heavier(b, a); }
  std::vector<Candidate>& all_;
  std::size_t ordered_ = 0;  // they stand at the end
};

// `random`: from 0 to below 1.
std::int32_t drawn(std::vector<Candidate> all, const Sampling& s, double random) {
  if (s.temperature <= 0) return std::min_element(all.begin(), all.end(), heavier)->id;
  if (s.top_k > 0) {
    const auto kept = std::min<std::ptrdiff_t>(s.top_k, std::ssize(all));
    std::partial_sort(all.begin(), all.begin() + kept, all.end(), heavier);
    all.resize(static_cast<std::size_t>(kept));  // in one order, wherever they came from, and so is their sum
  }
  const double highest = std::min_element(all.begin(), all.end(), heavier)->weight;
  double sum = 0;
  for (Candidate& c : all) sum += c.weight = std::exp((c.weight - highest) / s.temperature);
  HeaviestFirst likeliest(all);
  // The likeliest weighs 1, so min_p compares weights as they are. At least one token stays.
  double kept = sum;
  std::size_t count = all.size();
  if (s.top_p < 1 || s.min_p > 0) {
    kept = 0;
    for (count = 0; count < all.size(); ++count) {
      const double weight = likeliest[count].weight;
      if (count > 0 && (kept >= s.top_p * sum || weight < s.min_p)) break;
      kept += weight;
    }
  }
  double at = random * kept;
  for (std::size_t i = 0; i < count; ++i)
    if ((at -= likeliest[i].weight) < 0) return likeliest[i].id;
  return likeliest[count - 1].id;
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
  for (std::size_t i = 0; i < logits.size(); ++i) all[i] = {static_cast<std::int32_t>(i), weight_of(logits[i])};
  for (const std::int32_t id : penalised_ids(s, history)) penalise(all[static_cast<std::size_t>(id)].weight, s);
  return drawn(std::move(all), s, random_number(s.seed, sequence, history.size()));
}

std::int32_t sample(std::span<const Best> candidates, const Sampling& s, std::span<const std::int32_t> history,
                    std::uint64_t sequence) {
  std::vector<Candidate> all;
  const Ids recent = penalised_ids(s, history);
  for (const Best& b : candidates) {
    all.push_back({b.id, weight_of(b.logit)});
    if (recent.contains(b.id)) penalise(all.back().weight, s);
  }
  return drawn(std::move(all), s, random_number(s.seed, sequence, history.size()));
}

}  // namespace tsrun
