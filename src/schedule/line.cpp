// An all_reduce up each axis and back, axis after axis.
//
// In round r chip r sends the sum so far to chip r + 1, which adds its own; then the sum walks back. One chip is at
// work at a time: for numbers so few that a hop's latency is all there is, such as the statistics of norms.
#include "walks.hpp"

namespace tsrun {
namespace {

// Over one link, from the chip at `sender` on the axis to its neighbour.
Move hop(Axis a, Direction d, int sender, int k, int me, Action action) {
  const int receiver = ((d == Direction::plus ? sender + 1 : sender - 1) + k) % k;
  return {a, d, {0, me == sender ? 1 : 0}, {0, me == receiver ? 1 : 0}, action, 1, {}};
}

}  // namespace

Schedule line_schedule(const Group& group) {
  Schedule s{Op::all_reduce, group.axes, 1, 1, 0, {}};
  for (const Axis a : group.axes) {
    const int k = group.torus.size(a), me = group.chip.at(a);
    for (int sender = 0; sender + 1 < k; ++sender) s.rounds.push_back({hop(a, Direction::plus, sender, k, me, Action::add)});
    for (int sender = k - 1; sender > 0; --sender) s.rounds.push_back({hop(a, Direction::minus, sender, k, me, Action::place)});
  }
  return s;
}

}  // namespace tsrun
