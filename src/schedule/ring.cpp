// Rings, axis after axis, minor first.
//
// On an axis of k chips, chip p sends unit p - r in round r and receives unit p - r - 1 from behind; the unit that it sends
// is the one that it received a round before. Both ways, the units come from ahead as well: halves of all of them
// (`two_way`), or all of those that are nearer from there (`latency`); the unit of the opposite chip of an even ring, as near
// either way, comes whole from behind or half by half (`balanced`). Two chips have one link: whichever the name, it is a ring.
#include <algorithm>

#include "walks.hpp"

namespace tsrun {
namespace {

bool halves(ScheduleName name, int k) {
  return k > 2 && (name == ScheduleName::two_way || (name == ScheduleName::balanced && k % 2 == 0));
}

void gather_both_ways(std::vector<Round>& rounds, ScheduleName name, Axis a, const Units& units) {
  const int k = units.k(), p = units.p();
  const auto halves_from_both = [&](int r) {
    rounds.push_back({one_hop(a, Direction::plus, units.at(p - r, 0), units.at(p - r - 1, 0)),
                      one_hop(a, Direction::minus, units.at(p + r, 1), units.at(p + r + 1, 1))});
  };
  if (name == ScheduleName::two_way) {
    for (int r = 0; r + 1 < k; ++r) halves_from_both(r);
    return;
  }
  for (int r = 0; 2 * (r + 1) < k; ++r)
    rounds.push_back({one_hop(a, Direction::plus, units.at(p - r), units.at(p - r - 1)),
                      one_hop(a, Direction::minus, units.at(p + r), units.at(p + r + 1))});
  if (k % 2 != 0) return;
  if (name == ScheduleName::balanced) halves_from_both(k / 2 - 1);
  else rounds.push_back({one_hop(a, Direction::plus, units.at(p - k / 2 + 1), units.at(p - k / 2))});
}

}  // namespace

void gather_one_way(std::vector<Round>& rounds, Axis a, const Units& units) {
  for (int r = 0; r + 1 < units.k(); ++r)
    rounds.push_back({one_hop(a, Direction::plus, units.at(units.p() - r), units.at(units.p() - r - 1))});
}

Schedule ring_schedule(Op collective, ScheduleName name, const Group& group) {
  const bool halved = std::any_of(group.axes.begin(), group.axes.end(),
                                  [&](Axis a) { return halves(name, group.torus.size(a)); });
  const int parts = halved ? 2 : 1;
  std::vector<Round> gather;
  for (const Axis a : group.axes.reversed()) {
    const Units units = minor_first(group, a, parts);
    if (name == ScheduleName::ring || units.k() <= 2) gather_one_way(gather, a, units);
    else gather_both_ways(gather, name, a, units);
  }
  return {collective, group.axes, group.size(), parts, group.number(), spread(collective, gather)};
}

}  // namespace tsrun
