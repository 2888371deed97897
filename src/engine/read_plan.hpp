// How the ranks of a host read what they need of a model file: each span once, by one of them, for all.
//
// The spans are dealt out over rounds. In a round the readers fill one half of the host's window, and every rank takes
// what it needs of the other half, which the round before filled. The plan is computed, not agreed on: by all ranks of
// a host alike, and by whoever predicts their memory.
#pragma once

#include <cstdint>
#include <vector>

#include "cutting.hpp"
#include "tsrun/engine/load_window.hpp"

namespace tsrun {

struct PlannedSpan {
  TensorSpan span;
  std::size_t weight = 0;  // whose it is: its number in stored_weights
  std::int64_t at = 0;     // where in the window it is read to
  std::size_t reader = 0;  // which of the host's ranks reads it, as a number in HostRanks::ranks
};

struct ReadPlan {
  LoadWindow window;
  std::vector<std::vector<WeightCut>> cuts;      // [HostRanks::ranks][stored_weights]: what each rank holds of each
  std::vector<std::vector<PlannedSpan>> rounds;  // spans that are read at the same time
  std::int64_t bytes = 0;                        // of all spans

  // Bytes of the window that this one of the host's ranks touches in any round, as reader or to take what it needs.
  std::int64_t window_seen_by(std::size_t rank) const;
};

// `layout` knows the file's quantisation groups (with_groups).
ReadPlan plan_reads(const ModelFile& file, const Torus& torus, const Layout& layout, const HostRanks& host);

}  // namespace tsrun
