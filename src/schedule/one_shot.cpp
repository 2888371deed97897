// Straight from each chip to each other: over the whole group at once, or (a direct reduce_scatter) axis after axis.
//
// Messages stand in the order of their senders, so that addends are added in the order of the chips and a sum's bits do not
// depend on which chip has the block.
#include "walks.hpp"

namespace tsrun {

Schedule one_shot_schedule(Op collective, const Group& group) {
  const int n = group.size(), me = group.number();
  Schedule s{collective, group.axes, collective == Op::all_reduce ? 1 : n, 1, 0, {}};
  if (collective == Op::all_gather || collective == Op::reduce_scatter) s.own = me;
  if (n == 1) return s;
  Round& round = s.rounds.emplace_back();
  round.reserve(static_cast<std::size_t>(n - 1));
  for (int sender = 0; sender < n; ++sender) {
    if (sender == me) continue;
    const Coord from = chip_of(group.torus, group.axes, sender, group.chip);
    Move move = as_far_as(group.torus, from, group.chip);
    const int receiver = block_of(group.torus, group.axes, receiver_of(move, group.torus, group.chip));
    switch (collective) {
      case Op::all_gather: move.send = {me, 1}, move.receive = {sender, 1}; break;
      case Op::all_to_all:
        move.send = move.receive = {block_of(group.torus, group.axes, distance(group.torus, from, group.chip)), 1};
        move.action = Action::replace;
        break;
      default:
        move.send = {collective == Op::all_reduce ? 0 : receiver, 1}, move.receive = {s.own, 1};
        move.action = sender < me ? Action::add_before : Action::add;
    }
    round.push_back(move);
  }
  return s;
}

Schedule direct_scatter(const Group& group) {
  Schedule s{Op::reduce_scatter, group.axes, group.size(), 1, group.number(), {}};
  for (const Axis a : group.axes) {
    const Units units = minor_first(group, a);
    const int k = units.k(), p = units.p();
    if (k == 1) continue;
    Round& round = s.rounds.emplace_back();
    Coord from = group.chip;
    for (int sender = 0; sender < k; ++sender) {
      if (sender == p) continue;
      from.at(a) = sender;
      Move move = as_far_as(group.torus, from, group.chip);
      move.send = units.at(2 * p - sender);
      move.receive = units.at(p);
      move.action = sender < p ? Action::add_before : Action::add;
      round.push_back(move);
    }
  }
  return s;
}

}  // namespace tsrun
