// How long the walk of a collective takes: round by round of its schedule, the longest way of a message and the fullest
// link.
//
// Source: paper appendix A.1, whose time is that of a ring over one axis: bytes over bandwidth. A hop and a call have their
// own times here, and schedules use more links than one.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "tsrun/cost/chip.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun {

// One round, for a buffer of one byte: of several links the one with the most traffic counts.
struct RoundLoad {
  int hops = 0;     // of the longest way
  double load = 0;  // bytes over the fullest link
  AxisSet axes;     // along which messages go
};

// All rounds of a collective on a torus, on the chip that has most to do. Without wraps a message goes back along the
// line; but rings go both ways along it at once, and a block that a ring would bring over the wrap comes the other way:
// as many rounds of one hop, the bytes of a ring that goes one way.
std::vector<RoundLoad> round_loads(Op collective, ScheduleName schedule, const Torus& torus, const AxisStack& group,
                                   bool wraps);

// The same, each walk counted once.
class WalkLoads {
 public:
  const std::vector<RoundLoad>& of(Op collective, ScheduleName schedule, const Torus& torus, const AxisStack& group,
                                   bool wraps);

 private:
  std::map<std::tuple<Op, ScheduleName, int, int, int, std::string, bool>, std::vector<RoundLoad>> known_;
};

struct WalkTime {
  double hops_s = 0;
  double bytes_s = 0;
  double total() const { return hops_s + bytes_s; }
};

// Of the rounds along these axes. `bytes` is the size of the buffer of all blocks.
WalkTime walk_time(const std::vector<RoundLoad>& rounds, double bytes, double alpha_s, double bytes_per_s,
                   AxisSet along = axes_xyz);

}  // namespace tsrun
