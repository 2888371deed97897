// How the ranks of a host read what they need of a model file: each span once, by one of them, for all.
//
// The spans are dealt out over rounds. In a round some spans come into one half of the host's window while those of the
// round before are taken from the other half. All ranks of a host compute the same plan, from the cuts alone.
#pragma once

#include <cstdint>
#include <vector>

#include "cutting.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun {

struct PlannedSpan {
  TensorSpan span;
  std::size_t weight = 0;   // whose it is, counted in the order of stored_weights
  std::int64_t at = 0;      // in the window
  std::size_t reader = 0;   // which of the host's ranks
};

struct ReadPlan {
  std::vector<std::vector<PlannedSpan>> rounds;
  std::int64_t window_bytes = 0;  // both halves
  std::int64_t bytes = 0;         // of all spans
};

// How large a half is: a span for each thread that reads, but of few spans no so many rounds that waiting for each other
// counts, and no more than is small beside a shard.
std::int64_t half_window_bytes(std::int64_t threads_of_host);
// The most that a window takes, for predictions.
std::int64_t most_window_bytes();

// `cuts[chip][weight]`: of the host's ranks, in their order; `tensors[weight]`.
ReadPlan plan_reads(const std::vector<const StoredTensor*>& tensors, const std::vector<std::vector<WeightCut>>& cuts,
                    std::int64_t half_bytes);

}  // namespace tsrun
