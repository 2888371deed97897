#include "walks.hpp"

#include <cstdlib>

namespace tsrun {
namespace {

// The same blocks for each of k digits of this weight.
void repeat(Blocks& blocks, int k, int weight) {
  if (k == 1) return;
  if (blocks.repeat == 1 && weight == blocks.count) {
    blocks.count *= k;
    return;
  }
  check(blocks.repeat == 1 || weight == blocks.repeat * blocks.stride, "a unit is runs of blocks at one stride");
  if (blocks.repeat == 1) blocks.stride = weight;
  blocks.repeat *= k;
}

Coord opposite(const Coord& c) { return {-c.x, -c.y, -c.z}; }

}  // namespace

Units::Units(const Group& group, Axis axis, AxisSet whole, int parts)
    : k_(group.torus.size(axis)), p_(group.chip.at(axis)), blocks_(group.size()), parts_(parts) {
  int weight = 1;
  for (const Axis a : group.axes.reversed()) {
    if (a == axis) weight_ = weight;
    else if (whole.has(a)) repeat(unit_, group.torus.size(a), weight);
    else unit_.first += group.chip.at(a) * weight;
    weight *= group.torus.size(a);
  }
}

Blocks Units::at(int u, int part) const {
  Blocks unit = unit_;
  unit.first += part * blocks_ + ((u % k_) + k_) % k_ * weight_;
  return unit;
}

Blocks Units::at(int u) const {
  Blocks unit = at(u, 0);
  repeat(unit, parts_, blocks_);
  return unit;
}

Units minor_first(const Group& group, Axis axis, int parts) {
  AxisSet minor;
  for (const Axis a : group.axes.reversed()) {
    if (a == axis) break;
    minor = minor.with(a);
  }
  return {group, axis, minor, parts};
}

Move one_hop(Axis axis, Direction direction, const Blocks& send, const Blocks& receive) {
  return {axis, direction, send, receive, Action::place, 1, {}};
}

Coord distance(const Torus& torus, const Coord& from, const Coord& to) {
  Coord d;
  for (const Axis a : all_axes) d.at(a) = to.at(a) - from.at(a) + (to.at(a) < from.at(a) ? torus.size(a) : 0);
  return d;
}

Move as_far_as(const Torus& torus, const Coord& from, const Coord& to) {
  Move move;
  move.hops = 0;
  for (const Axis a : all_axes) {
    const int links = links_between(torus, a, from, to);
    if (links == 0) continue;
    if (move.hops != 0) {
      move.further.at(a) = links;
      continue;
    }
    move.axis = a;
    move.direction = links > 0 ? Direction::plus : Direction::minus;
    move.hops = std::abs(links);
  }
  return move;
}

std::vector<Round> spread(Op collective, const std::vector<Round>& gather) {
  std::vector<Round> rounds;
  if (collective != Op::all_gather)
    for (auto round = gather.rbegin(); round != gather.rend(); ++round) {
      rounds.emplace_back();
      for (const Move& m : *round)
        rounds.back().push_back(
            {m.axis, opposite(m.direction), m.receive, m.send, Action::add, m.hops, opposite(m.further)});
    }
  if (collective != Op::reduce_scatter) rounds.insert(rounds.end(), gather.begin(), gather.end());
  return rounds;
}

}  // namespace tsrun
