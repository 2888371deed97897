// What can be had of a phase, over numbers of chips and of sequences: the fastest at every cost.
//
// Source: paper section 4.4, figure 1: latency against chip-seconds per token.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/planner/decide.hpp"

namespace tsrun {

// What the planner chooses for one phase on so many chips.
struct Offer {
  int chips = 1;
  Work work;
  Candidate chosen;
  double cost = 0;  // chip-seconds per token
  double mfu = 0;
  bool is_best = false;  // no other offer of the phase is as fast and as cheap
  double time_s() const { return chosen.time_s(); }
};

// The question asked for every number of chips (all tori of it, unless it is that of the question) and every batch;
// where nothing can be chosen there is no offer. By several threads.
std::vector<Offer> offers(const Question& question, const std::vector<int>& chips,
                          const std::vector<std::int64_t>& batches, int threads);

}  // namespace tsrun
