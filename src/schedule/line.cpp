// An all_reduce up the axes and back: a line of chips along each, those of one axis after those of the axis before.
//
// In round r chip r of a line sends the sum so far to chip r + 1, which adds its own. The chips at the end of the lines
// of an axis are the lines of the next, so that one chip has the whole sum, which walks back the same way. One chip of a
// line is at work at a time: for numbers so few that a hop's latency is all there is, such as the statistics of norms.
#include "walks.hpp"

namespace tsrun {
namespace {

// Over one link, from the chip at `sender` on the axis to its neighbour, on the lines that this chip is on.
Move hop(Axis a, Direction d, int sender, int k, int me, Action action) {
  const int receiver = ((d == Direction::plus ? sender + 1 : sender - 1) + k) % k;
  return {a, d, {0, me == sender ? 1 : 0}, {0, me == receiver ? 1 : 0}, action, 1, {}};
}

}  // namespace

Schedule line_schedule(const Group& group) {
  std::vector<Round> up, back;
  bool takes_part = true;
  for (const Axis a : group.axes) {
    const int k = group.torus.size(a), me = takes_part ? group.chip.at(a) : -2;  // nobody's neighbour
    for (int sender = 0; sender + 1 < k; ++sender) {
      up.push_back({hop(a, Direction::plus, sender, k, me, Action::add)});
      back.push_back({hop(a, Direction::minus, sender + 1, k, me, Action::place)});
    }
    takes_part = takes_part && me == k - 1;
  }
  up.insert(up.end(), back.rbegin(), back.rend());
  return {Op::all_reduce, group.axes, 1, 1, 0, up};
}

}  // namespace tsrun
