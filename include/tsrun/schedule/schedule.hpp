// A collective's walk as a value: rounds of {send these blocks over a link, receive those, place or add}.
//
// The group is a stack of axes; its chips and blocks are numbered by their digits along it, major to minor. A buffer
// holds one block per chip of the group, in that order. `all_gather` starts with the own block and ends with all;
// `reduce_scatter` starts with an addend of every block and ends with the own one summed; `all_reduce` starts with an
// addend of every block and ends with all of them summed; `all_to_all` starts with a block for every chip and ends with a
// block from every chip. The MPI executor, the byte counts and the checker read the same schedule.
// Source: paper section 2.2 (collectives), programs.md section 9.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tsrun/layout/torus.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// `repeat` runs of `count` consecutive blocks whose beginnings lie `stride` apart, or none.
struct Blocks {
  int first = 0;
  int count = 0;
  int repeat = 1;
  int stride = 0;
  constexpr int total() const { return count * repeat; }
  // visit(first, count) for each run.
  template <class Visit>
  constexpr void each_run(Visit visit) const {
    for (int r = 0; r < repeat; ++r) visit(first + r * stride, count);
  }
  friend bool operator==(const Blocks&, const Blocks&) = default;
};

// What becomes of a received block. `add_in_order`: all addends that arrive in the round and the own one are added in the
// order of the chips along the axis, whichever of them this chip is.
enum class Action : std::uint8_t { place, add, add_in_order };

// Send to the chip `hops` further along `axis` while receiving from the chip as far on the other side; either may be
// nothing. All moves of a round send what was there before it.
struct Move {
  Axis axis = Axis::x;
  Direction direction = Direction::plus;
  Blocks send;
  Blocks receive;
  Action action = Action::place;
  int hops = 1;
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
