// Sampling and the order of prefill passes: pure functions of their arguments.
#include "tsrun/engine/sampler.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
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

TEST_CASE("of a whole vocabulary the token is the one that a sorted list has at the random number") {
  const std::size_t V = 3000;
  std::minstd_rand random(9);
  std::set<std::int32_t> seen;
  for (const double top_p : {1.0, 0.9, 0.3})
    for (const double min_p : {0.0, 0.02})
      for (std::uint64_t seed = 0; seed < 40; ++seed) {
        std::vector<float> row(V);
        for (float& v : row) v = static_cast<float>(random() % 1000003) / 100000;
        std::vector<std::pair<double, std::int32_t>> sorted;  // probability times any factor, id
        for (std::size_t i = 0; i < V; ++i)
          sorted.emplace_back(std::exp(static_cast<double>(row[i]) / 0.8), static_cast<std::int32_t>(i));
        std::sort(sorted.rbegin(), sorted.rend());
        double all = 0, kept = 0;
        for (const auto& s : sorted) all += s.first;
        std::size_t count = 0;
        while (count < V && (count == 0 || (kept < top_p * all && sorted[count].first >= min_p * sorted[0].first)))
          kept += sorted[count++].first;
        const std::vector<std::int32_t> history(seed);
        double at = random_number(seed, 3, seed) * kept;
        std::size_t expected = 0;
        while (expected + 1 < count && (at -= sorted[expected].first) >= 0) ++expected;
        const Sampling s{.temperature = 0.8, .top_p = top_p, .min_p = min_p, .seed = seed};
        CHECK(sample(row, s, history, 3) == sorted[expected].second);
        seen.insert(sorted[expected].second);
      }
  CHECK(seen.size() > 100);
}

TEST_CASE("what is no number is never drawn beside numbers") {
  const float none = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> row = {none, 1, none, 2, none};
  std::vector<Best> candidates;
  for (std::int32_t i = 0; i < 5; ++i) candidates.push_back({row[static_cast<std::size_t>(i)], i});
  for (const double temperature : {0.0, 1.0})
    for (const std::int64_t k : {0, 2, 9})
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        const Sampling s{.temperature = temperature, .top_k = k, .seed = seed};
        CHECK(sample(row, s, {}, 0) % 2 == 1);
        CHECK(sample(candidates, s, {}, 0) % 2 == 1);
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

TEST_CASE("the likeliest of each part of the vocabulary have the token that whole rows have") {
  const std::int64_t V = 1000, parts = 3, width = 334;  // the last two ids of the last part are padding
  std::minstd_rand random(5);
  std::set<std::int32_t> seen;
  int checked = 0;
  for (const double penalty : {1.0, 1.3, 50.0})
    for (const std::int64_t k : {1, 2, 5, 40, 400, 5000})
      for (const double temperature : {0.0, 0.7, 3.0})
        for (const double top_p : {1.0, 0.8})
          for (const double min_p : {0.0, 0.05})
            for (const int coarse : {0, 1}) {  // many logits are equal
              Sampling s{temperature, k, top_p, min_p, penalty, static_cast<std::uint64_t>(checked)};
              std::vector<float> row;
              for (std::int64_t i = 0; i < V; ++i) {
                const float v = static_cast<float>(random() % 4001) / 200 - 12;
                row.push_back(coarse != 0 ? std::round(v / 2) : v);
              }
              // What is penalised is mostly what stands at the top.
              std::vector<Best> sorted;
              for (std::int64_t i = 0; i < V; ++i)
                sorted.push_back({row[static_cast<std::size_t>(i)], static_cast<std::int32_t>(i)});
              std::sort(sorted.begin(), sorted.end(), likelier);
              std::vector<std::int32_t> history;
              for (std::size_t i = 0; i < 70; ++i) history.push_back(sorted[i].id);

              REQUIRE(s.candidates() == (temperature > 0 ? k : 1) + (penalty == 1 ? 0 : 64));
              const auto each = static_cast<std::size_t>(std::min(s.candidates(), width));
              std::vector<float> padded = row;
              padded.resize(static_cast<std::size_t>(parts * width), 1e9F);
              std::vector<Best> candidates;
              for (std::int64_t part = 0; part < parts; ++part) {
                std::vector<Best> mine(each);
                likeliest_of(padded.data() + part * width, {part * width, width, V}, mine);
                for (const Best& b : mine)
                  if (b.id < V) candidates.push_back(b);
              }
              const std::int32_t id = sample(candidates, s, history, 3);
              CHECK(id == sample(row, s, history, 3));
              seen.insert(id);
              ++checked;
            }
  CHECK(checked == 3 * 6 * 3 * 2 * 2 * 2);
  CHECK(seen.size() > 50);
}

TEST_CASE("only 64 more than K are enough where all penalised tokens stood at the top") {
  std::vector<float> row(300, 0);
  std::vector<std::int32_t> history;
  for (std::int32_t i = 0; i < 64; ++i) {
    row[static_cast<std::size_t>(i)] = 2;
    history.push_back(i);
  }
  row[64] = 1;
  Sampling s;
  s.repeat_penalty = 4;
  REQUIRE(s.candidates() == 65);
  std::vector<Best> mine(65);
  likeliest_of(row.data(), {0, 300, 300}, mine);
  CHECK(sample(row, s, history, 0) == 64);
  CHECK(sample(mine, s, history, 0) == 64);
  mine.pop_back();
  CHECK(sample(mine, s, history, 0) != 64);
}

TEST_CASE("candidates are asked for where they have the token and are fewer bytes than rows") {
  Sampling s;
  CHECK(output_for(s, 1000, 4) == Output::greedy);
  s.temperature = 1;
  s.top_p = 0.9;
  s.min_p = 0.1;
  CHECK(output_for(s, 1000, 4) == Output::logits);
  s.top_k = 124;
  CHECK(output_for(s, 1000, 4) == Output::candidates);
  s.top_k = 125;
  CHECK(output_for(s, 1000, 4) == Output::logits);
  s.top_k = std::numeric_limits<std::int64_t>::max();
  s.repeat_penalty = 2;
  CHECK(output_for(s, 1000, 4) == Output::logits);
  s.top_k = 60;
  CHECK(output_for(s, 1000, 4) == Output::candidates);
  s.repeat_penalty = 0.9;  // raises logits
  CHECK(output_for(s, 1000, 4) == Output::logits);
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
  Plan plan;
  plan.sequences = 64;
  plan.chunk = 512;
  plan.pass_tokens = 2048;
  std::int64_t taken = 0;
  int passes = 0;
  for (;; ++passes) {
    const std::vector<std::int64_t> share = next_pass(left, plan, plan.sequences);
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
  Plan plan;
  plan.sequences = 64;
  plan.chunk = 2500;
  plan.pass_tokens = 2048;
  CHECK(next_pass({3000, 3000}, plan, plan.sequences) == std::vector<std::int64_t>{2500, 0});
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
