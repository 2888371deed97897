// With the chip 1, 2, 4 .. further, on axes of 2^m chips; axes of any other size are rings.
//
// Gathering, two chips whose places differ in one bit swap all that they have, the lowest bit first: m rounds instead of
// 2^m - 1 for as many bytes. Scattering is the same backwards. An all_reduce swaps whole sums, m rounds with all the bytes in
// each; where some axes are rings, it scatters over those first, swaps what it then owns, and gathers again.
#include "walks.hpp"

namespace tsrun {
namespace {

bool doubles(int k) { return (k & (k - 1)) == 0; }

// Swaps with the chip whose place on the axis differs from p by the bit `hops`.
Round swap(Axis a, int p, int hops, const Blocks& mine, const Blocks& theirs, Action action) {
  const Direction there = (p & hops) == 0 ? Direction::plus : Direction::minus;
  return {{a, there, mine, {}, action, hops, {}}, {a, opposite(there), {}, theirs, action, hops, {}}};
}

Schedule whole_sums(const Group& group) {
  Group rings = group;
  rings.axes = {};
  for (const Axis a : group.axes)
    if (!doubles(group.torus.size(a))) rings.axes.push(a);
  Schedule s = ring_schedule(Op::reduce_scatter, ScheduleName::ring, rings);
  const std::vector<Round> gather = ring_schedule(Op::all_gather, ScheduleName::ring, rings).rounds;
  const Blocks own{s.own, 1};
  for (const Axis a : group.axes)
    for (int hops = 1; hops < group.torus.size(a) && doubles(group.torus.size(a)); hops *= 2)
      s.rounds.push_back(swap(a, group.chip.at(a), hops, own, own, Action::add));
  s.rounds.insert(s.rounds.end(), gather.begin(), gather.end());
  s.collective = Op::all_reduce;
  s.group = group.axes;
  return s;
}

}  // namespace

Schedule doubling_schedule(Op collective, const Group& group) {
  if (collective == Op::all_reduce) return whole_sums(group);
  std::vector<Round> gather;
  for (const Axis a : group.axes.reversed()) {
    const Units units = minor_first(group, a);
    if (!doubles(units.k())) {
      gather_one_way(gather, a, units);
      continue;
    }
    for (int hops = 1; hops < units.k(); hops *= 2) {
      const int p = units.p() & ~(hops - 1);  // the first unit that this chip has
      Blocks mine = units.at(p), theirs = units.at(p ^ hops);
      mine.count *= hops;
      theirs.count *= hops;
      gather.push_back(swap(a, units.p(), hops, mine, theirs, Action::place));
    }
  }
  return {collective, group.axes, group.size(), 1, group.number(), spread(collective, gather)};
}

}  // namespace tsrun
