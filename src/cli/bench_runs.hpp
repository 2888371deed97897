// The runs of `bench`: prompts and decode steps over made-up ids, timed, on every rank.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report.hpp"
#include "tsrun/engine/engine.hpp"

namespace tsrun::cli {

// Prefill of `batch` prompts of so many tokens, or so many decode steps of `batch` sequences, behind `depth` positions.
struct BenchTest {
  Phase phase = Phase::prefill;
  std::int64_t tokens = 0;
  std::int64_t batch = 1;
  std::int64_t depth = 0;
};
std::string name(const BenchTest& test);  // "pp512", "tg128"

struct BenchRow {
  BenchTest test;
  std::vector<double> seconds;          // of the slowest rank, each repetition
  RankSpread compute, transfer, wait;   // of a repetition, on average
  double bytes = 0;                     // that all ranks read in one: weights once a pass, the cache once a pass
  double tokens() const { return static_cast<double>(test.tokens * test.batch); }
  double tokens_per_s() const;          // mean of the repetitions
  double deviation() const;             // of their tokens per second
  double mean_s() const;                // of a repetition
};

// All ranks together, beside which the rows are told.
struct BenchLimits {
  double flops_per_s = 0;  // of the instruction that the model's products are made of
  double bytes_per_s = 0;  // read from memory
};
BenchLimits probe_limits(const Engine& engine, const Mesh& mesh);

class Bench {
 public:
  Bench(Engine& engine, const Mesh& mesh);
  // One warm-up, then the repetitions. The depth is filled before.
  BenchRow measure(const BenchTest& test, int repetitions);

 private:
  void prefill(std::int64_t batch, std::int64_t first, std::int64_t tokens);
  void decode(std::int64_t batch, std::int64_t first, std::int64_t steps);
  double pass_bytes(std::int64_t batch, std::int64_t context) const;

  Engine& engine_;
  const Mesh& mesh_;
  std::vector<std::int32_t> ids_;  // as many as the context holds
  double bytes_ = 0;               // of this rank, since it was set to 0
};

}  // namespace tsrun::cli
