// How the ranks of a host read what they need of a model file: each span once, by one of them, for all.
//
// The spans are dealt out over rounds. In a round some spans come into one half of the host's window while those of the
// round before are taken from the other half. All ranks of a host compute the same plan, and predictions do.
#pragma once

#include <cstdint>
#include <vector>

#include "cutting.hpp"
#include "tsrun/engine/load_window.hpp"

namespace tsrun {

struct PlannedSpan {
  TensorSpan span;
  std::size_t weight = 0;   // whose it is, counted in the order of stored_weights
  std::int64_t at = 0;      // in the window
  std::size_t reader = 0;   // which of the host's ranks
};

struct ReadPlan {
  LoadWindow window;
  std::vector<std::vector<WeightCut>> cuts;  // [the host's ranks][stored_weights]
  std::vector<std::vector<PlannedSpan>> rounds;
  std::int64_t bytes = 0;  // of all spans

  // Of the window: what one of the host's ranks reads into or takes from, in any round.
  std::int64_t window_seen_by(std::size_t rank) const;
};

// The layout has groups.
ReadPlan plan_reads(const ModelFile& file, const Torus& torus, const Layout& layout, const HostRanks& host);

}  // namespace tsrun
