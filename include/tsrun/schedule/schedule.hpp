// A collective's walk as a value: rounds of {send these blocks over a link, receive those, place or add}.
//
// The group is a stack of axes; its chips and blocks are numbered by their digits along it, major to minor. A buffer
// holds one block per chip of the group, in that order. `all_gather` starts with the own block and ends with all;
// `reduce_scatter` starts with an addend of every block and ends with the own one summed; `all_reduce` starts with an
// addend of every block and ends with all of them summed. In an `all_to_all` blocks are numbered by distance: block d
// starts as the one for the chip that is d further (digit by digit, around the torus) and ends as the one from the chip
// that is d behind. The MPI executor, the byte counts and the checker read the same schedule.
//
// Where parts of a block take different ways, a buffer holds part after part: slot = part * blocks + block.
// Source: paper section 3.1 and its appendix A.1 (collectives).
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tsrun/layout/torus.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// `repeat` runs of `count` consecutive slots whose beginnings lie `stride` apart, or none.
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

// What becomes of received blocks. Addends that arrive in one round are added in the order of its moves: those of
// `add_before` make a sum to which the own addend is added, then follow those of `add`.
enum class Action : std::uint8_t {
  place,       // where nothing is sent from in this round
  replace,     // in place of what is sent in this round
  add,
  add_before
};

// Send to the chip `hops` further along `axis` while receiving from the chip as far on the other side; either may be
// nothing. `further` is for a chip that is away along more than one axis: links along the others, negative for minus.
// All moves of a round send what was there before it.
struct Move {
  Axis axis = Axis::x;
  Direction direction = Direction::plus;
  Blocks send;
  Blocks receive;
  Action action = Action::place;
  int hops = 1;
  Coord further{};
  friend bool operator==(const Move&, const Move&) = default;
};
Coord receiver_of(const Move& move, const Torus& torus, const Coord& sender);
Coord sender_to(const Move& move, const Torus& torus, const Coord& receiver);

using Round = std::vector<Move>;  // at the same time

struct Schedule {
  Op collective = Op::all_gather;
  AxisStack group;
  int blocks = 1;  // of the buffer: one per chip of the group; of an all_reduce as few as its walk tells apart
  int parts = 1;   // of each block
  int own = 0;     // the block that is this chip's
  std::vector<Round> rounds;
  int slots() const { return blocks * parts; }
};

// Whether there is a schedule of this name for this kind of collective.
//   ring two_way balanced latency rotated doubling   all_gather reduce_scatter all_reduce
//   one_shot                                         all four
//   line                                             all_reduce
//   direct                                           reduce_scatter all_to_all
//   hop_by_hop                                       all_to_all
bool serves(ScheduleName name, Op collective);

// Whether every chip does the same, each at its own place.
bool is_symmetric(ScheduleName name);

// Whether it cuts a block into parts that go different ways, and so are summed in different orders.
bool cuts_blocks(ScheduleName name);

// This schedule for every kind of collective that it serves, the default for the others; for sums whose blocks are tokens
// only where it adds in the order of the chips.
Schedules schedules_named(ScheduleName name);

// The walk of one chip of the torus through a collective over `group` (major to minor). A schedule that goes axis after
// axis gathers minor axes first and scatters major axes first, so that what moves is a contiguous run of blocks.
Schedule schedule_of(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group, const Coord& chip);

// Plays every chip of the torus symbolically. Throws std::logic_error unless each chip ends with what the collective
// promises, sends only what it has, receives what is sent to it, sends another chip at most one message a round by a
// shortest way (so that no link between neighbours is used twice), and keeps what is sent until it is sent. On an axis of
// two chips both directions lead to the same neighbour and are one link.
void check_schedule(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group);
// The same for walks from elsewhere.
void check_schedule(Op collective, const Torus& torus, const std::function<Schedule(const Coord&)>& walk_of);

}  // namespace tsrun
