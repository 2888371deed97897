// What the kinds of walk are made of, and the kinds themselves, one file each.
#pragma once

#include <vector>

#include "tsrun/schedule/schedule.hpp"

namespace tsrun {

// The chips of a group as one of them sees it.
struct Group {
  Torus torus;
  AxisStack axes;  // major to minor
  Coord chip;

  int size() const { return torus.size(axes); }
  int number() const { return block_of(torus, axes, chip); }
};

// What a chip gathers along `axis`, of every part or of one: unit u is all that the axis's chip u has from the chips
// along the axes of `whole`.
class Units {
 public:
  Units(const Group& group, Axis axis, AxisSet whole, int parts = 1);
  Blocks at(int u) const;  // u is taken around the axis
  Blocks at(int u, int part) const;
  int k() const { return k_; }  // chips on the axis
  int p() const { return p_; }  // this chip's place among them

 private:
  int k_, p_, blocks_, parts_;
  int weight_ = 1;  // of the axis's digit in a block's number
  Blocks unit_{0, 1};
};
// All axes that are more minor are whole, so that a unit is a run of consecutive blocks.
Units minor_first(const Group& group, Axis axis, int parts = 1);

// A message over one link.
Move one_hop(Axis axis, Direction direction, const Blocks& send, const Blocks& receive);
// Links ahead along each axis, around the torus.
Coord distance(const Torus& torus, const Coord& from, const Coord& to);
// A message as far as from one chip to another, by a shortest way.
Move as_far_as(const Torus& torus, const Coord& from, const Coord& to);

// The walk of a collective whose blocks spread as `gather` says: scattering is gathering backwards, adding.
std::vector<Round> spread(Op collective, const std::vector<Round>& gather);

// A one-way ring: the unit that was received a round before goes on.
void gather_one_way(std::vector<Round>& rounds, Axis axis, const Units& units);

Schedule ring_schedule(Op collective, ScheduleName name, const Group& group);  // ring, two_way, balanced, latency
Schedule rotated_schedule(Op collective, const Group& group);
Schedule line_schedule(const Group& group);
Schedule one_shot_schedule(Op collective, const Group& group);
Schedule doubling_schedule(Op collective, const Group& group);
Schedule direct_scatter(const Group& group);
Schedule exchange_schedule(ScheduleName name, const Group& group);  // all_to_all: direct, hop_by_hop

}  // namespace tsrun
