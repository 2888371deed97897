// Every ring schedule of every torus up to 512 ranks, played symbolically, without MPI.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "tsrun/schedule/schedule.hpp"

using namespace tsrun;

namespace {

constexpr Op collectives[] = {Op::all_gather, Op::reduce_scatter, Op::all_reduce};
const AxisStack zyx{Axis::z, Axis::y, Axis::x};

// All tori of n chips.
template <class Visit>
void each_torus(int n, Visit visit) {
  for (int X = 1; X <= n; ++X)
    if (n % X == 0)
      for (int Y = 1; Y <= n / X; ++Y)
        if (n / X % Y == 0) visit(Torus{X, Y, n / X / Y});
}

}  // namespace

// Without TSRUN_LONG, above 64 chips only some counts are tried: with it, all of them.
TEST_CASE("the checker accepts every ring and direct schedule on every torus up to 512 ranks") {
  const bool every = std::getenv("TSRUN_LONG") != nullptr;
  int checked = 0;
  for (int n = 1; n <= 512; ++n) {
    if (!every && n > 64 && n % 64 != 0 && n != 125 && n != 210 && n != 343 && n != 509) continue;
    each_torus(n, [&](const Torus& torus) {
      for (const Op op : collectives) CHECK_NOTHROW(check_schedule(op, ScheduleName::ring, torus, zyx));
      for (const Op op : {Op::reduce_scatter, Op::all_to_all}) CHECK_NOTHROW(check_schedule(op, ScheduleName::direct, torus, zyx));
      ++checked;
    });
  }
  MESSAGE(checked << " tori");
  CHECK(checked > 800);
}

TEST_CASE("the checker refuses walks that are wrong") {
  const Torus torus{2, 2, 3};
  const auto walks = [&](const auto& spoil) {
    return [&torus, spoil](const Coord& chip) {
      Schedule s = schedule_of(Op::all_gather, ScheduleName::ring, torus, zyx, chip);
      spoil(s);
      return s;
    };
  };
  const auto refused = [&](const auto& spoil) {
    CHECK_THROWS_AS(check_schedule(Op::all_gather, torus, walks(spoil)), std::logic_error);
  };
  CHECK_NOTHROW(check_schedule(Op::all_gather, torus, walks([](Schedule&) {})));
  refused([](Schedule& s) { s.rounds.pop_back(); });
  refused([](Schedule& s) { s.rounds[0][0].send.first = (s.rounds[0][0].send.first + 1) % s.blocks; });
  refused([](Schedule& s) { s.rounds[0].push_back(s.rounds[0][0]); });
  refused([](Schedule& s) { s.rounds[0][0].action = Action::add; });
  refused([](Schedule& s) { if (s.own == 0) s.rounds[0].clear(); });
  refused([](Schedule& s) { std::swap(s.rounds[0], s.rounds[1]); });
}

TEST_CASE("an all_reduce along lines adds in the order of the chips") {
  for (const Torus torus : {Torus{1, 1, 1}, Torus{2, 2, 2}, Torus{3, 2, 1}, Torus{8, 8, 8}, Torus{5, 1, 1}, Torus{1, 6, 2}})
    CHECK_NOTHROW(check_schedule(Op::all_reduce, ScheduleName::line, torus, zyx));
  // Sums only ever move upwards, and chip 0 of an axis is the first addend.
  for (int x = 0; x < 4; ++x)
    for (const Round& round : schedule_of(Op::all_reduce, ScheduleName::line, {4, 1, 1}, {Axis::x}, {x, 0, 0}).rounds)
      for (const Move& move : round)
        CHECK((move.action == Action::add) == (move.direction == Direction::plus));
  CHECK_THROWS(schedule_of(Op::all_gather, ScheduleName::line, {4, 1, 1}, {Axis::x}, {}));
}

TEST_CASE("groups over some of the axes, in either order, stay inside their chips") {
  const AxisStack groups[] = {{Axis::x}, {Axis::y}, {Axis::z}, {Axis::z, Axis::y}, {Axis::x, Axis::y}, {Axis::y, Axis::x},
                              {Axis::x, Axis::y, Axis::z}, {}};
  for (const Torus torus : {Torus{2, 2, 2}, Torus{3, 2, 1}, Torus{1, 6, 2}, Torus{4, 4, 4}, Torus{2, 3, 5}})
    for (const AxisStack& group : groups)
      for (const Op op : collectives) {
        CHECK_NOTHROW(check_schedule(op, ScheduleName::ring, torus, group));
        for (const Round& round : schedule_of(op, ScheduleName::ring, torus, group, {}).rounds)
          for (const Move& move : round) CHECK(group.set().has(move.axis));
      }
}

TEST_CASE("a ring sends (k - 1) / k of what it gathers, axis after axis") {
  const Torus torus{3, 4, 5};
  const auto sent = [&](Op op) {
    int blocks = 0;
    for (const Round& round : schedule_of(op, ScheduleName::ring, torus, zyx, {1, 2, 3}).rounds)
      for (const Move& move : round) blocks += move.send.count;
    return blocks;
  };
  CHECK(sent(Op::all_gather) == 59);
  CHECK(sent(Op::reduce_scatter) == 59);
  CHECK(sent(Op::all_reduce) == 118);
}

TEST_CASE("a direct exchange sends (k - 1) / k of a chip's data over each axis, a direct scatter as much as a ring") {
  const Torus torus{3, 4, 5};
  const auto sent = [&](Op op) {
    int blocks = 0;
    for (const Round& round : schedule_of(op, ScheduleName::direct, torus, zyx, {1, 2, 3}).rounds)
      for (const Move& move : round) blocks += move.send.total();
    return blocks;
  };
  CHECK(sent(Op::all_to_all) == 60 * 2 / 3 + 60 * 3 / 4 + 60 * 4 / 5);
  CHECK(sent(Op::reduce_scatter) == 59);
}

TEST_CASE("blocks are numbered major to minor, and a chip starts and ends with its own") {
  const Torus torus{2, 3, 4};
  CHECK(schedule_of(Op::all_gather, ScheduleName::ring, torus, {Axis::z, Axis::y}, {1, 2, 3}).own == 3 * 3 + 2);
  CHECK(schedule_of(Op::all_gather, ScheduleName::ring, torus, {Axis::y, Axis::z}, {1, 2, 3}).own == 2 * 4 + 3);
}
