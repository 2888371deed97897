// An all_to_all, axis after axis, on blocks that are numbered by distance.
//
// On an axis of k chips unit d starts as all that is for the chip d further. `direct` swaps in round r with the chips r ahead
// and r behind at once. `hop_by_hop` sends all units from r on to the next chip: the one from the chip r behind has then
// arrived and stays as unit r, the others go on.
#include "walks.hpp"

namespace tsrun {

Schedule exchange_schedule(ScheduleName name, const Group& group) {
  Schedule s{Op::all_to_all, group.axes, group.size(), 1, 0, {}};
  int major = 1;
  for (const Axis a : group.axes) {
    const int k = group.torus.size(a), minor = s.blocks / major / k;
    const auto swapped = [&](Direction d, int first, int units, int hops) {
      const Blocks blocks{first * minor, units * minor, major, k * minor};
      return Move{a, d, blocks, blocks, Action::replace, hops, {}};
    };
    if (name == ScheduleName::hop_by_hop) {
      for (int r = 1; r < k; ++r) s.rounds.push_back({swapped(Direction::plus, r, k - r, 1)});
    } else {
      for (int r = 1; 2 * r <= k; ++r) {
        Round& round = s.rounds.emplace_back();
        round.push_back(swapped(Direction::plus, r, 1, r));
        if (2 * r < k) round.push_back(swapped(Direction::minus, k - r, 1, r));
      }
    }
    major *= k;
  }
  return s;
}

}  // namespace tsrun
