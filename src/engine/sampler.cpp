#include "tsrun/engine/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

namespace tsrun {
namespace {

constexpr std::size_t penalised_tokens = 64;

struct Candidate {
  std::int32_t id = 0;
  double weight = 0;  // the logit, then the unnormalised probability
};

// SplitMix64's finaliser: every input bit changes every output bit.
std::uint64_t mixed(std::uint64_t v) {
  v += 0x9e3779b97f4a7c15ULL;
  v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ULL;
  v = (v ^ (v >> 27)) * 0x94d049bb133111ebULL;
  return v ^ (v >> 31);
}

std::vector<Candidate> penalised(std::span<const float> logits, const Sampling& s,
                                 std::span<const std::int32_t> history) {
  std::vector<Candidate> all(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) all[i] = {static_cast<std::int32_t>(i), logits[i]};
  if (s.repeat_penalty == 1) return all;
  const auto recent = history.last(std::min(history.size(), penalised_tokens));
  for (const std::int32_t id : std::unordered_set<std::int32_t>(recent.begin(), recent.end())) {
    double& logit = all[static_cast<std::size_t>(id)].weight;
    logit = logit > 0 ? logit / s.repeat_penalty : logit * s.repeat_penalty;
  }
  return all;
}

bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

}  // namespace

double random_number(std::uint64_t seed, std::uint64_t sequence, std::uint64_t position) {
  return static_cast<double>(mixed(mixed(mixed(seed) ^ sequence) ^ position) >> 11) * 0x1p-53;
}

std::int32_t sample(std::span<const float> logits, const Sampling& s, std::span<const std::int32_t> history,
                    std::uint64_t sequence) {
  std::vector<Candidate> all = penalised(logits, s, history);
  if (s.temperature <= 0) return std::min_element(all.begin(), all.end(), likelier)->id;
  if (s.top_k > 0 && s.top_k < std::ssize(all)) {
    std::nth_element(all.begin(), all.begin() + s.top_k, all.end(), likelier);
    all.resize(static_cast<std::size_t>(s.top_k));
  }
  std::sort(all.begin(), all.end(), likelier);
  const double highest = all[0].weight;
  double sum = 0;
  for (Candidate& c : all) sum += c.weight = std::exp((c.weight - highest) / s.temperature);
  // The likeliest weighs 1, so min_p compares weights as they are. At least one token stays.
  double kept = 0;
  std::size_t count = 0;
  while (count < all.size() && (count == 0 || (kept < s.top_p * sum && all[count].weight >= s.min_p)))
    kept += all[count++].weight;
  double at = random_number(s.seed, sequence, history.size()) * kept;
  for (std::size_t i = 0; i < count; ++i)
    if ((at -= all[i].weight) < 0) return all[i].id;
  return all[count - 1].id;
}

}  // namespace tsrun
