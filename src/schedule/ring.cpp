// One-way rings, axis after axis.
//
// On an axis of k chips, chip p sends unit (p - r) in round r and receives unit (p - r - 1) from behind; the unit that
// it sends is the one that it received a round before. Gathering, a unit is all that was gathered over the more minor
// axes; scattering is the same walk backwards, adding.
#include "walks.hpp"

namespace tsrun {
namespace {

// The blocks that share this chip's digits on the axes more major than stack position i: k units of `size` blocks.
struct Units {
  int first = 0;
  int size = 1;
  Blocks at(int unit, int k) const { return {first + (unit % k + k) % k * size, size}; }
};

Units units_of(const Torus& torus, const AxisStack& group, int i, const Coord& chip) {
  Units units;
  for (int j = 0; j < i; ++j) units.first = units.first * torus.size(group[j]) + chip.at(group[j]);
  for (int j = i + 1; j < group.size(); ++j) units.size *= torus.size(group[j]);
  units.first *= units.size * torus.size(group[i]);
  return units;
}

void gather(Schedule& s, const Torus& torus, const Coord& chip) {
  for (int i = s.group.size() - 1; i >= 0; --i) {
    const Axis a = s.group[i];
    const int k = torus.size(a), p = chip.at(a);
    const Units units = units_of(torus, s.group, i, chip);
    for (int r = 0; r + 1 < k; ++r)
      s.rounds.push_back({{a, Direction::plus, units.at(p - r, k), units.at(p - r - 1, k), Action::place}});
  }
}

void scatter(Schedule& s, const Torus& torus, const Coord& chip) {
  for (int i = 0; i < s.group.size(); ++i) {
    const Axis a = s.group[i];
    const int k = torus.size(a), p = chip.at(a);
    const Units units = units_of(torus, s.group, i, chip);
    for (int r = 0; r + 1 < k; ++r)
      s.rounds.push_back({{a, Direction::plus, units.at(p - r - 1, k), units.at(p - r - 2, k), Action::add}});
  }
}

}  // namespace

Schedule ring_schedule(Op collective, const Torus& torus, const AxisStack& group, const Coord& chip) {
  Schedule s{collective, group, torus.size(group), block_of(torus, group, chip), {}};
  if (collective != Op::all_gather) scatter(s, torus, chip);
  if (collective != Op::reduce_scatter) gather(s, torus, chip);
  return s;
}

}  // namespace tsrun
