#include "tsrun/schedule/schedule.hpp"

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"
#include "walks.hpp"

namespace tsrun {
namespace {

// A digit on an axis of k, up to one turn off.
int around(int digit, int k) { return digit < 0 ? digit + k : digit >= k ? digit - k : digit; }

Coord beyond(const Move& move, const Torus& torus, Coord chip, int sign) {
  const int hops = sign * (move.direction == Direction::plus ? move.hops : -move.hops);
  for (const Axis a : all_axes) {
    const int links = a == move.axis ? hops : sign * move.further.at(a);
    if (links != 0) chip.at(a) = around(chip.at(a) + links, torus.size(a));
  }
  return chip;
}

}  // namespace

Coord receiver_of(const Move& move, const Torus& torus, const Coord& sender) { return beyond(move, torus, sender, 1); }
Coord sender_to(const Move& move, const Torus& torus, const Coord& receiver) { return beyond(move, torus, receiver, -1); }

bool serves(ScheduleName name, Op collective) {
  switch (name) {
    case ScheduleName::line: return collective == Op::all_reduce;
    case ScheduleName::direct: return collective == Op::reduce_scatter || collective == Op::all_to_all;
    case ScheduleName::hop_by_hop: return collective == Op::all_to_all;
    case ScheduleName::one_shot: return is_collective(collective);
    default: return is_collective(collective) && collective != Op::all_to_all;
  }
}

bool is_symmetric(ScheduleName name) {
  switch (name) {
    case ScheduleName::line:
    case ScheduleName::one_shot:
    case ScheduleName::doubling: return false;
    default: return true;
  }
}

bool cuts_blocks(ScheduleName name) {
  return name == ScheduleName::two_way || name == ScheduleName::balanced || name == ScheduleName::rotated;
}

Schedules schedules_named(ScheduleName name) {
  Schedules s;
  const auto choose = [name](ScheduleName& of, Op collective) {
    if (serves(name, collective)) of = name;
  };
  choose(s.all_gather, Op::all_gather);
  choose(s.gather_weights, Op::all_gather);
  choose(s.reduce_scatter, Op::reduce_scatter);
  choose(s.all_to_all, Op::all_to_all);
  if (name == ScheduleName::one_shot) s.all_reduce = s.reduce_scatter_tokens = name;
  return s;
}

Schedule schedule_of(Op collective, ScheduleName schedule, const Torus& torus, const AxisStack& axes, const Coord& chip) {
  if (!serves(schedule, collective))
    throw std::logic_error(text("schedule ", name(schedule), " does not serve ", name(collective)));
  const Group group{torus, axes, chip};
  if (collective == Op::all_to_all && schedule != ScheduleName::one_shot) return exchange_schedule(schedule, group);
  switch (schedule) {
    case ScheduleName::rotated: return rotated_schedule(collective, group);
    case ScheduleName::line: return line_schedule(group);
    case ScheduleName::one_shot: return one_shot_schedule(collective, group);
    case ScheduleName::doubling: return doubling_schedule(collective, group);
    case ScheduleName::direct: return direct_scatter(group);
    default: return ring_schedule(collective, schedule, group);
  }
}

}  // namespace tsrun
