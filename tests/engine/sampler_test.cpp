// Sampling and the order of prefill passes: pure functions of their arguments.
#include "tsrun/engine/sampler.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "tsrun/engine/generate.hpp"

using namespace tsrun;

namespace {

const std::vector<float> logits = {0, 1, 2, 3, 4};

// How often each id comes in many positions of one sequence.
std::vector<int> drawn(const Sampling& s, int times) {
  std::vector<int> counts(logits.size());
  std::vector<std::int32_t> history;
  for (int i = 0; i < times; ++i) {
    history.push_back(0);
    ++counts[static_cast<std::size_t>(sample(logits, s, history, 7))];
  }
  return counts;
}

}  // namespace

TEST_CASE("temperature 0 takes the largest logit, the smallest id of equals") {
  const std::vector<float> tied = {1, 5, 5};
  CHECK(sample(tied, {}, {}, 0) == 1);
}

TEST_CASE("samples follow the softmax of the logits") {
  Sampling s;
  s.temperature = 1.5;
  const int times = 40000;
  const std::vector<int> counts = drawn(s, times);
  double sum = 0;
  for (const float l : logits) sum += std::exp(l / 1.5);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = std::exp(logits[i] / 1.5) / sum;
    CHECK(std::abs(counts[i] - p * times) < 5 * std::sqrt(p * times));
  }
}

TEST_CASE("top-k, top-p and min-p keep the likeliest") {
  Sampling s;
  s.temperature = 1;
  s.top_k = 2;
  auto counts = drawn(s, 2000);
  CHECK(counts[0] + counts[1] + counts[2] == 0);
  CHECK(counts[3] > 0);
  s.top_k = 0;
  s.top_p = 0.6;  // the likeliest alone has 0.636
  counts = drawn(s, 500);
  CHECK(counts[4] == 500);
  s.top_p = 1;
  s.min_p = 0.1;  // e^-2 is above, e^-3 below
  counts = drawn(s, 5000);
  CHECK(counts[1] + counts[0] == 0);
  CHECK(counts[2] > 0);
}

TEST_CASE("a repeat penalty pushes recent ids down, positive and negative logits alike") {
  Sampling s;
  s.repeat_penalty = 10;
  const std::vector<std::int32_t> history = {4};
  CHECK(sample(logits, s, history, 0) == 3);
  const std::vector<float> negative = {-1, -2};
  CHECK(sample(negative, s, std::vector<std::int32_t>{0}, 0) == 1);
  // Beyond the last 64 tokens a token is forgotten.
  std::vector<std::int32_t> long_ago(65, 0);
  long_ago[0] = 4;
  CHECK(sample(logits, s, long_ago, 0) == 4);
}

TEST_CASE("the random number depends on seed, sequence and position, and on nothing else") {
  CHECK(random_number(1, 2, 3) == random_number(1, 2, 3));
  std::set<double> seen;
  double sum = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (std::uint64_t sequence = 0; sequence < 10; ++sequence)
      for (std::uint64_t position = 0; position < 100; ++position) {
        const double r = random_number(seed, sequence, position);
        CHECK(r >= 0);
        CHECK(r < 1);
        seen.insert(r);
        sum += r;
      }
  CHECK(seen.size() == 10000);
  CHECK(sum / 10000 == doctest::Approx(0.5).epsilon(0.02));
}

TEST_CASE("prefill passes take every token once, within their limits, and are at most a quarter padding") {
  std::vector<std::int64_t> left = {5, 1500, 700, 12, 0, 512, 511, 30, 64};
  const std::int64_t all = std::accumulate(left.begin(), left.end(), std::int64_t{0});
  std::int64_t taken = 0;
  int passes = 0;
  for (;; ++passes) {
    const std::vector<std::int64_t> share = next_pass(left, 512, 2048, 64);
    std::int64_t L = 0, rows = 0, tokens = 0;
    for (std::size_t i = 0; i < left.size(); ++i) {
      CHECK(share[i] <= left[i]);
      L = std::max(L, share[i]);
      rows += share[i] > 0 ? 1 : 0;
      tokens += share[i];
      left[i] -= share[i];
    }
    if (rows == 0) break;
    CHECK(L <= 512);
    CHECK(L * rows <= 2048);
    CHECK(4 * tokens >= 3 * L * rows);
    taken += tokens;
    REQUIRE(passes < 100);
  }
  CHECK(taken == all);
  CHECK(passes <= 9);
}

TEST_CASE("a chunk larger than the pass still goes alone") {
  CHECK(next_pass({3000, 3000}, 2500, 2048, 64) == std::vector<std::int64_t>{2500, 0});
}

TEST_CASE("prompts share a prefix where it is long enough, and each keeps a token of its own") {
  const auto prompt = [](std::int32_t same, std::int32_t last) {
    std::vector<std::int32_t> p(static_cast<std::size_t>(same), 7);
    p.push_back(last);
    return p;
  };
  CHECK(shared_prefix({prompt(40, 1), prompt(40, 2), prompt(50, 7)}) == 40);
  CHECK(shared_prefix({prompt(40, 7), prompt(40, 7)}) == 40);
  CHECK(shared_prefix({prompt(20, 1), prompt(20, 2)}) == 0);
  CHECK(shared_prefix({prompt(40, 1)}) == 0);
  CHECK(shared_prefix({prompt(40, 1), {}}) == 0);
}
