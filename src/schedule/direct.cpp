// From each chip straight to each other of the axis, axis after axis.
//
// An all_to_all swaps in round r with the chips r ahead and r behind at once. A reduce_scatter sends every chip its addends
// in one round, and each adds what it got in the order of the chips, so that the sum's bits do not depend on who has it.
#include "walks.hpp"

namespace tsrun {
namespace {

// The k units of an axis: every one of them is `minor` consecutive blocks, `major` times.
struct Units {
  int k, minor, major;
  Blocks at(int unit) const { return {((unit % k) + k) % k * minor, minor, major, k * minor}; }
};

void exchange(Schedule& s, const Torus& torus, const Coord& chip) {
  int major = 1;
  for (const Axis a : s.group) {
    const int k = torus.size(a), p = chip.at(a);
    const Units units{k, s.blocks / major / k, major};
    for (int r = 1; 2 * r <= k; ++r) {
      Round round = {{a, Direction::plus, units.at(p + r), units.at(p - r), Action::place, r}};
      if (2 * r < k) round.push_back({a, Direction::minus, units.at(p - r), units.at(p + r), Action::place, r});
      s.rounds.push_back(round);
    }
    major *= k;
  }
}

void scatter(Schedule& s, const Torus& torus, const Coord& chip) {
  int first = 0, size = s.blocks;  // the blocks that are still this chip's to sum
  for (const Axis a : s.group) {
    const int k = torus.size(a), p = chip.at(a);
    size /= k;
    const auto unit = [&](int u) { return Blocks{first + ((u % k) + k) % k * size, size}; };
    Round round;
    for (int r = 1; r < k; ++r) round.push_back({a, Direction::plus, unit(p + r), unit(p), Action::add_in_order, r});
    if (k > 1) s.rounds.push_back(round);
    first += p * size;
  }
}

}  // namespace

Schedule direct_schedule(Op collective, const Torus& torus, const AxisStack& group, const Coord& chip) {
  Schedule s{collective, group, torus.size(group), block_of(torus, group, chip), {}};
  if (collective == Op::all_to_all) exchange(s, torus, chip);
  else scatter(s, torus, chip);
  return s;
}

}  // namespace tsrun
