// A collective's walk as a value: rounds of {send these blocks over a link, receive those, place or add}.
//
// The group is a stack of axes; its chips and blocks are numbered by their digits along it, major to minor. A buffer
// holds one block per chip of the group, in that order. `all_gather` starts with the own block and ends with all;
// `reduce_scatter` starts with an addend of every block and ends with the own one summed; `all_reduce` starts with an
// addend of every block and ends with all of them summed. The MPI executor, the byte counts and the checker read the same schedule.
// Source: paper section 2.2 (collectives), programs.md section 9.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tsrun/layout/torus.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// A contiguous run of blocks, or none.
struct Blocks {
  int first = 0;
  int count = 0;
  friend bool operator==(const Blocks&, const Blocks&) = default;
};

enum class Action : std::uint8_t { place, add };

// Send over the link of `axis` in `direction` while receiving from the chip on the other side; either may be nothing.
struct Move {
  Axis axis = Axis::x;
  Direction direction = Direction::plus;
  Blocks send;
  Blocks receive;
  Action action = Action::place;
};

using Round = std::vector<Move>;  // at the same time

struct Schedule {
  Op collective = Op::all_gather;
  AxisStack group;
  int blocks = 1;  // of the buffer: one per chip of the group; a single one for a line
  int own = 0;     // the block that is this chip's
  std::vector<Round> rounds;
};

// The walk of one chip of the torus through a collective over `group` (major to minor). all_gather pops minor axes
// first and reduce_scatter pushes major axes first, so that what moves is always a contiguous run of blocks.
Schedule schedule_of(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group, const Coord& chip);

// Plays every chip of the torus symbolically. Throws std::logic_error unless each chip ends with what the collective
// promises, sends only what it has, receives what its neighbour sends, and uses no link twice in a round.
void check_schedule(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group);
// The same for walks from elsewhere.
void check_schedule(Op collective, const Torus& torus, const std::function<Schedule(const Coord&)>& walk_of);

}  // namespace tsrun
