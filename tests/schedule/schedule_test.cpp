// What each schedule costs and in which order it adds, and walks that the checker refuses.
#include "tsrun/schedule/schedule.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "names.hpp"
#include "tsrun/schedule/slots.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// A chip's walk in numbers; blocks are those that one link carries, the most of any chip.
struct Cost {
  double rounds = 0;
  double plus = 0, minus = 0;  // blocks sent over the first axis each way
  friend bool operator==(const Cost&, const Cost&) = default;
};
Cost cost(Op op, ScheduleName name, const Torus& torus, const AxisStack& group, const Coord& chip = {}) {
  const Schedule s = schedule_of(op, name, torus, group, chip);
  constexpr std::int64_t block_bytes = 4 * 6;  // cut exactly in two and three
  const SlotBytes slots(s, block_bytes);
  Cost c{static_cast<double>(s.rounds.size())};
  for (const Round& round : s.rounds)
    for (const Move& m : round)
      if (m.axis == group[0])
        (m.direction == Direction::plus ? c.plus : c.minus) += static_cast<double>(slots.bytes(m.send)) / block_bytes;
  return c;
}
Cost on_ring(Op op, ScheduleName name, int k) { return cost(op, name, {k, 1, 1}, {Axis::x}); }
double moved(const Cost& c) { return c.plus + c.minus; }

}  // namespace

TEST_CASE("rounds and blocks over each link of a ring of k chips") {
  for (int k = 3; k <= 9; ++k) {
    CAPTURE(k);
    const double all = k - 1, half = k / 2, less = (k - 1) / 2;
    using enum ScheduleName;
    CHECK(on_ring(Op::all_gather, ring, k) == Cost{all, all, 0});
    CHECK(on_ring(Op::all_gather, two_way, k) == Cost{all, all / 2, all / 2});
    CHECK(on_ring(Op::all_gather, balanced, k) == Cost{half, all / 2, all / 2});
    CHECK(on_ring(Op::all_gather, latency, k) == Cost{half, half, less});
    CHECK(on_ring(Op::all_gather, rotated, k) == Cost{all, all, 0});
    CHECK(on_ring(Op::all_gather, one_shot, k) == Cost{1, half, less});
    CHECK(on_ring(Op::reduce_scatter, direct, k) == Cost{1, half, less});
    CHECK(on_ring(Op::all_to_all, direct, k) == Cost{half, half, less});
    CHECK(on_ring(Op::all_to_all, one_shot, k) == Cost{1, half, less});
    CHECK(on_ring(Op::all_to_all, hop_by_hop, k) == Cost{all, all * k / 2, 0});
    // Whole sums: one block.
    CHECK(on_ring(Op::all_reduce, one_shot, k) == Cost{1, half, less});
    CHECK(moved(on_ring(Op::all_reduce, line, k)) == 1);
    for (const ScheduleName name : {ring, two_way, balanced, latency, rotated}) {
      const Cost there = on_ring(Op::reduce_scatter, name, k), back = on_ring(Op::all_gather, name, k);
      CHECK(there == Cost{back.rounds, back.minus, back.plus});
      CHECK(on_ring(Op::all_reduce, name, k) == Cost{2 * back.rounds, moved(back), moved(back)});
    }
  }
}

TEST_CASE("doubling takes log2 k rounds, and is a ring where k is no power of two") {
  using enum ScheduleName;
  for (const auto& [k, rounds] : {std::pair{2, 1}, {4, 2}, {8, 3}, {16, 4}, {512, 9}}) {
    for (const Op op : {Op::all_gather, Op::reduce_scatter}) {
      CHECK(on_ring(op, doubling, k).rounds == rounds);
      CHECK(moved(on_ring(op, doubling, k)) == k - 1);
    }
    CHECK(on_ring(Op::all_reduce, doubling, k).rounds == rounds);
    CHECK(moved(on_ring(Op::all_reduce, doubling, k)) == rounds);  // whole sums in each
  }
  for (const int k : {3, 6, 12})
    for (const Op op : {Op::all_gather, Op::reduce_scatter, Op::all_reduce}) CHECK(on_ring(op, doubling, k) == on_ring(op, ring, k));
  // A ring over z scatters what is doubled over x, and gathers it again: a third of the sums in each of two rounds.
  const Schedule s = schedule_of(Op::all_reduce, doubling, {4, 1, 3}, zyx, {});
  CHECK(s.blocks == 3);
  CHECK(s.rounds.size() == 2 + 2 + 2);
}

TEST_CASE("between two chips there is one link, and every kind of ring is the same") {
  using enum ScheduleName;
  for (const ScheduleName name : {two_way, balanced, latency, rotated})
    for (const Op op : {Op::all_gather, Op::reduce_scatter, Op::all_reduce}) CHECK(on_ring(op, name, 2) == on_ring(op, ring, 2));
}

TEST_CASE("a rotated gather uses all axes' links in every round, a third of the bytes each") {
  const Torus torus{4, 4, 4};
  for (const Op op : {Op::all_gather, Op::reduce_scatter}) {
    const Schedule s = schedule_of(op, ScheduleName::rotated, torus, zyx, {1, 2, 3});
    CHECK(s.rounds.size() == 9);
    for (const Round& round : s.rounds) {
      REQUIRE(round.size() == 3);
      CHECK((round[0].axis != round[1].axis && round[1].axis != round[2].axis && round[2].axis != round[0].axis));
    }
    for (const Axis a : all_axes) {
      int slots = 0;
      for (const Round& round : s.rounds)
        for (const Move& m : round) slots += m.axis == a ? m.send.total() : 0;
      CHECK(slots == 63);  // of 3 * 64
    }
  }
}

TEST_CASE("over several axes a chip sends (n - 1) / n of what it gathers or scatters, and f(k) of what it exchanges over each") {
  const Torus torus{3, 4, 5};
  const auto slots = [&](Op op, ScheduleName name) {
    const Schedule s = schedule_of(op, name, torus, zyx, {1, 2, 3});
    double sent = 0;
    for (const Round& round : s.rounds)
      for (const Move& move : round) sent += move.send.total();
    return sent / s.parts;
  };
  each_schedule([&](Op op, ScheduleName name) {
    CAPTURE(tsrun::name(op));
    CAPTURE(tsrun::name(name));
    if (op == Op::all_gather || op == Op::reduce_scatter) CHECK(slots(op, name) == doctest::Approx(59));
    else if (op == Op::all_reduce && name < ScheduleName::line) CHECK(slots(op, name) == doctest::Approx(118));
  });
  CHECK(slots(Op::all_reduce, ScheduleName::one_shot) == 59);  // whole sums
  int sums = 0;  // of a line: one way and back through every chip but one
  for (int rank = 0; rank < torus.size(); ++rank)
    for (const Round& round : schedule_of(Op::all_reduce, ScheduleName::line, torus, zyx, coord_of(torus, rank)).rounds)
      for (const Move& move : round) sums += move.send.total();
  CHECK(sums == 2 * 59);
  CHECK(slots(Op::all_to_all, ScheduleName::direct) == 60 * 2 / 3 + 60 * 3 / 4 + 60 * 4 / 5);
  CHECK(slots(Op::all_to_all, ScheduleName::one_shot) == 59);
  CHECK(slots(Op::all_to_all, ScheduleName::hop_by_hop) == 60 * (2 + 3 + 4) / 2);
}

TEST_CASE("parts of a block differ by an element at most, and nothing is padded") {
  Schedule s;
  s.blocks = 5;
  s.parts = 3;
  for (const std::int64_t bytes : {4 * 7, 4 * 2, 4 * 64, 7, 0}) {
    const SlotBytes slots(s, bytes);
    const std::int64_t unit = bytes % 4 == 0 ? 4 : 1;
    CHECK(slots.begin(0) == 0);
    CHECK(slots.begin(s.slots()) == 5 * bytes);
    for (int slot = 0; slot < s.slots(); ++slot) {
      const std::int64_t size = slots.begin(slot + 1) - slots.begin(slot);
      CHECK((size == bytes / unit / 3 * unit || size == (bytes / unit / 3 + 1) * unit));
      CHECK(slots.bytes({slot, 1}) == size);
    }
    CHECK(slots.bytes({1, 2, 3, 5}) == 2 * bytes);  // two blocks, all parts
  }
}

TEST_CASE("blocks are numbered major to minor, and a chip starts and ends with its own") {
  const Torus torus{2, 3, 4};
  CHECK(schedule_of(Op::all_gather, ScheduleName::ring, torus, {Axis::z, Axis::y}, {1, 2, 3}).own == 3 * 3 + 2);
  CHECK(schedule_of(Op::all_gather, ScheduleName::ring, torus, {Axis::y, Axis::z}, {1, 2, 3}).own == 2 * 4 + 3);
}

TEST_CASE("schedules that promise it add in the order of the chips") {
  // Sums only ever move upwards along a line, and chip 0 of an axis is the first addend.
  for (int x = 0; x < 4; ++x)
    for (const Round& round : schedule_of(Op::all_reduce, ScheduleName::line, {4, 2, 1}, {Axis::y, Axis::x}, {x, 1, 0}).rounds)
      for (const Move& move : round)
        CHECK((move.action == Action::add) == (move.direction == Direction::plus));
  // Straight from each to each: senders stand in order, and the own addend after those before it.
  const Torus torus{3, 2, 4};
  for (const auto& [op, name] : {std::pair{Op::reduce_scatter, ScheduleName::one_shot}, {Op::all_reduce, ScheduleName::one_shot},
                                 {Op::reduce_scatter, ScheduleName::direct}})
    for (int rank = 0; rank < torus.size(); ++rank) {
      const Coord chip = coord_of(torus, rank);
      const int me = block_of(torus, zyx, chip);
      for (const Round& round : schedule_of(op, name, torus, zyx, chip).rounds) {
        int last = -1;
        for (const Move& move : round) {
          const int sender = block_of(torus, zyx, sender_to(move, torus, chip));
          CHECK(sender > last);
          CHECK(move.action == (sender < me ? Action::add_before : Action::add));
          last = sender;
        }
      }
    }
}

TEST_CASE("a schedule that does not serve a collective is refused by name") {
  int served = 0;
  each_schedule([&](Op, ScheduleName) { ++served; });
  CHECK(served == 7 + 8 + 8 + 3);
  for (const Op op : collectives)
    for (const ScheduleName name : schedules)
      if (!serves(name, op)) CHECK_THROWS_AS(schedule_of(op, name, {2, 1, 1}, {Axis::x}, {}), std::logic_error);
  CHECK_THROWS_WITH(schedule_of(Op::all_gather, ScheduleName::line, {2, 1, 1}, {Axis::x}, {}),
                    "schedule line does not serve all_gather");
  CHECK_FALSE(serves(ScheduleName::ring, Op::matmul));
}

namespace {

// The walk spoiled on every chip.
template <class Spoil>
void refused(const std::string& promise, Op op, ScheduleName name, const Torus& torus, Spoil spoil) {
  CAPTURE(promise);
  const auto walk_of = [&](const Coord& chip) {
    Schedule s = schedule_of(op, name, torus, zyx, chip);
    spoil(s);
    return s;
  };
  std::string said;
  try {
    check_schedule(op, torus, walk_of);
  } catch (const std::logic_error& error) {
    said = error.what();
  }
  CAPTURE(said);
  CHECK(said.find(promise) != std::string::npos);
}

}  // namespace

TEST_CASE("the checker refuses walks that are wrong, and says why") {
  const Torus torus{2, 2, 3};
  using enum ScheduleName;
  const auto gather = [&](const char* promise, const auto& spoil) { refused(promise, Op::all_gather, ring, torus, spoil); };
  gather("ends with every block", [](Schedule& s) { s.rounds.pop_back(); });
  gather("both ends know", [](Schedule& s) { s.rounds[0][0].receive.first = (s.rounds[0][0].receive.first + 1) % s.blocks; });
  gather("it has what it sends", [](Schedule& s) { s.rounds[0][0].send.first = (s.rounds[0][0].send.first + 1) % s.blocks; });
  gather("one message a round", [](Schedule& s) { s.rounds[0].push_back(s.rounds[0][0]); });
  gather("added to others", [](Schedule& s) { s.rounds[0][0].action = Action::add; });
  gather("what is sent is received", [](Schedule& s) { s.rounds[0][0].receive = {}; });
  gather("what it receives is sent", [](Schedule& s) { if (s.own == 0) s.rounds[0].clear(); });
  gather("as many rounds", [](Schedule& s) { if (s.own == 0) s.rounds.pop_back(); });
  gather("it has what it sends", [](Schedule& s) { std::swap(s.rounds[0], s.rounds[1]); });
  gather("blocks exist", [](Schedule& s) { s.rounds[0][0].send.first = -1; });
  gather("another chip", [](Schedule& s) { s.rounds[0][0].hops = 0; });
  // Two chips: the way back is the same link.
  refused("one message a round", Op::all_gather, ring, {1, 1, 2}, [](Schedule& s) {
    s.rounds[0].push_back(s.rounds[0][0]);
    s.rounds[0][1].direction = Direction::minus;
  });
  refused("shortest way", Op::all_to_all, direct, {1, 1, 5}, [](Schedule& s) {
    s.rounds[0][0].hops = 4, s.rounds[0][0].direction = Direction::minus;
  });
  refused("where something is sent from", Op::all_to_all, direct, {1, 1, 5}, [](Schedule& s) { s.rounds[0][0].action = Action::place; });
  refused("ends with every chip's block", Op::all_to_all, hop_by_hop, {1, 1, 5}, [](Schedule& s) { s.rounds.pop_back(); });
  refused("ends with the whole sum", Op::reduce_scatter, ring, torus, [](Schedule& s) { s.rounds.push_back(s.rounds.back()); });
  refused("ends with the whole sum", Op::all_reduce, doubling, {4, 1, 1}, [](Schedule& s) { s.rounds.push_back(s.rounds.back()); });
  refused("ends with the whole sum", Op::reduce_scatter, direct, torus, [](Schedule& s) { s.rounds[0][0].action = Action::replace; });
}
