// How long a collective's walk takes, against two accounts that share nothing with it: every message of every chip carried
// link by link over the torus, and the closed forms of the literature.
//
// Without TSRUN_LONG all tori up to 64 chips and the larger slices that people rent; with it all up to 512 chips; of
// those above 64 that differ in the order of their axes, the one whose minor axis is shortest.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "../schedule/names.hpp"
#include "tsrun/cost/walk_time.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

constexpr double alpha = 3e-6, rate = 4e10, bytes = 7e8;

// Carries messages over the links of a torus, or of a grid whose axes are lines. A link is known by the chip that sends and
// whether the place of the one that receives comes next: on an axis of two chips both directions are the same link. What
// is kept of a line of links is by how much each carries more than the one before it.
class Network {
 public:
  Network(const Torus& torus, bool wraps) : torus_(torus), wraps_(wraps), load_(static_cast<std::size_t>(torus.size()) * 6) {}

  void clear() {
    std::fill(load_.begin(), load_.end(), 0);
    hops_ = 0;
  }
  // Axis after axis, as the move goes.
  void carry(const Move& move, Coord at, double share) {
    int hops = 0;
    for (const Axis a : all_axes) {
      int links = move.further.at(a);
      if (a == move.axis) links = move.direction == Direction::plus ? move.hops : -move.hops;
      const int end = shifted(torus_, at, a, Direction::plus, links).at(a);
      if (!wraps_) links = end - at.at(a);  // straight along the line
      if (links != 0) walk(at, a, links, share);
      at.at(a) = end;
      hops += std::abs(links);
    }
    hops_ = std::max(hops_, hops);
  }
  double seconds() const { return alpha * hops_ + bytes * fullest() / rate; }

 private:
  void walk(const Coord& from, Axis a, int links, double share) {
    const int k = torus_.size(a), at = from.at(a);
    const bool up = links > 0 || k == 2;
    if (links > 0) carry_from(from, a, up, at, at + links, share);
    else carry_from(from, a, up, at + links + 1, at + 1, share);
  }
  // By the links of the senders at [begin, end), counted around the ring.
  void carry_from(const Coord& line, Axis a, bool up, int begin, int end, double share) {
    const int k = torus_.size(a);
    for (const int turn : {-k, 0, k}) {
      const int first = std::max(begin, turn), last = std::min(end, turn + k);
      if (first >= last) continue;
      more(line, a, up, first - turn) += share;
      if (last - turn < k) more(line, a, up, last - turn) -= share;
    }
  }
  double& more(Coord at, Axis a, bool up, int place) {
    at.at(a) = place;
    return load_[static_cast<std::size_t>((rank_of(torus_, at) * 3 + static_cast<int>(a)) * 2 + (up ? 1 : 0))];
  }
  double fullest() const {
    double most = 0;
    for (const Axis a : all_axes) {
      const int k = torus_.size(a), next = a == Axis::x ? torus_.Y * torus_.Z : a == Axis::y ? torus_.Z : 1;
      for (int rank = 0; rank < torus_.size(); ++rank) {
        if (coord_of(torus_, rank).at(a) != 0) continue;
        for (const int up : {0, 1}) {
          double sum = 0;
          for (int place = 0; place < k; ++place) {
            sum += load_[static_cast<std::size_t>(((rank + place * next) * 3 + static_cast<int>(a)) * 2 + up)];
            most = std::max(most, sum);
          }
        }
      }
    }
    return most;
  }
  const Torus& torus_;
  bool wraps_;
  std::vector<double> load_;
  int hops_ = 0;
};

double carried_s(const std::vector<Schedule>& walks, const Torus& torus, bool wraps) {
  Network network(torus, wraps);
  double sum_s = 0;
  for (std::size_t i = 0; i < walks[0].rounds.size(); ++i) {
    network.clear();
    for (int rank = 0; rank < torus.size(); ++rank) {
      const Schedule& walk = walks[static_cast<std::size_t>(rank)];
      for (const Move& move : walk.rounds.at(i))
        if (move.send.total() > 0)
          network.carry(move, coord_of(torus, rank), static_cast<double>(move.send.total()) / walk.slots());
    }
    sum_s += network.seconds();
  }
  return sum_s;
}

double walked_s(Op op, ScheduleName schedule, const Torus& torus, const AxisStack& group, bool wraps) {
  return walk_time(round_loads(op, schedule, torus, group, wraps), bytes, alpha, rate).total();
}

bool same(double a, double b) { return std::abs(a - b) <= 1e-9 * std::max(a, b); }

void compare(const Torus& torus, const AxisStack& group) {
  CAPTURE(to_text(torus));
  each_schedule([&](Op op, ScheduleName schedule) {
    CAPTURE(name(op));
    CAPTURE(name(schedule));
    std::vector<Schedule> walks;
    for (int rank = 0; rank < torus.size(); ++rank)
      walks.push_back(schedule_of(op, schedule, torus, group, coord_of(torus, rank)));
    CHECK(same(walked_s(op, schedule, torus, group, true), carried_s(walks, torus, true)));
    // On lines the rings are priced by another convention; they are held against its closed form.
    if (!is_ring(schedule)) CHECK(same(walked_s(op, schedule, torus, group, false), carried_s(walks, torus, false)));
  });
}

template <class Visit>
void each_torus(int n, Visit visit) {
  for (int X = 1; X <= n; ++X)
    for (int Y = 1; X * Y <= n; ++Y)
      if (const Torus t{X, Y, n / X / Y}; t.size() == n && (n <= 64 || (t.X <= t.Y && t.Y <= t.Z))) visit(t);
}

// Of all rounds: the share of the buffer that crosses the fullest link, and the hops.
struct Closed {
  double bytes = 0;
  double hops = 0;
};
Closed closed(Op op, ScheduleName schedule, const Torus& torus, const AxisStack& group, bool wraps = true) {
  const WalkTime t = walk_time(round_loads(op, schedule, torus, group, wraps), 1, 1, 1);
  return {t.bytes_s, t.hops_s};
}

constexpr ScheduleName rings[] = {ScheduleName::ring, ScheduleName::two_way, ScheduleName::balanced,
                                  ScheduleName::latency, ScheduleName::rotated};
const Torus slices[] = {{2, 2, 2}, {4, 2, 1}, {4, 2, 4}, {4, 4, 4}, {8, 4, 4}, {4, 8, 8}, {5, 3, 2}, {1, 7, 6}};

}  // namespace

TEST_CASE("a walk takes what its messages take, link by link") {
  const bool every = std::getenv("TSRUN_LONG") != nullptr;
  const char* const part = std::getenv("TSRUN_PART");  // i: every eighth torus, so that eight processes share the work
  int tori = 0;
  for (int n = 1; n <= (every ? 512 : 64); ++n)
    each_torus(n, [&](const Torus& torus) {
      if (part == nullptr || tori % 8 == std::atoi(part)) compare(torus, zyx);
      ++tori;
    });
  CHECK(tori == (every ? 3123 : 796));
}

TEST_CASE("and so it does on the slices that people rent, and over groups of some of the axes") {
  const AxisStack groups[] = {{}, {Axis::x}, {Axis::z}, {Axis::z, Axis::y}, {Axis::y, Axis::z}, {Axis::x, Axis::z, Axis::y}};
  for (const Torus& torus : {Torus{8, 4, 4}, Torus{4, 8, 8}}) compare(torus, zyx);
  for (const Torus& torus : {Torus{2, 2, 2}, Torus{4, 2, 4}, Torus{4, 4, 4}, Torus{5, 3, 2}, Torus{1, 7, 6}})
    for (const AxisStack& group : groups) compare(torus, group);
}

TEST_CASE("one axis of k chips: all bytes but the own block cross a link, half of them where both directions work") {
  for (int k = 2; k <= 64; ++k) {
    const Torus torus{k, 1, 1};
    const double one_way = 1 - 1.0 / k;
    CAPTURE(k);
    for (const Op op : {Op::all_gather, Op::reduce_scatter, Op::all_reduce}) {
      const double times = op == Op::all_reduce ? 2 : 1;  // a scatter, then a gather
      const auto is = [&](ScheduleName schedule, bool wraps, double load, double hops) {
        CAPTURE(name(schedule));
        const Closed t = closed(op, schedule, torus, {Axis::x}, wraps);
        CHECK(same(t.bytes, times * load));
        CHECK(t.hops == times * hops);
      };
      is(ScheduleName::ring, true, one_way, k - 1);
      for (const ScheduleName ring : rings) is(ring, false, one_way, k - 1);  // a line: one way, whatever the ring
      if (k == 2) continue;                                                   // one link, which no ring has twice
      is(ScheduleName::two_way, true, one_way / 2, k - 1);
      is(ScheduleName::balanced, true, one_way / 2, k / 2);
      is(ScheduleName::latency, true, k / 2 / static_cast<double>(k), k / 2);
    }
  }
}

TEST_CASE("axis after axis each gathers what those before it have gathered") {
  for (const Torus& torus : slices)
    for (const bool wraps : {true, false}) {
      CAPTURE(to_text(torus));
      CAPTURE(wraps);
      double gathered = 1, ring = 0, balanced = 0, hops = 0;
      for (const Axis a : zyx) {  // the major axis last, with all the bytes
        const double k = torus.size(a), one_way = gathered * (1 - 1 / k);
        ring += one_way;
        balanced += wraps && k > 2 ? one_way / 2 : one_way;
        hops += wraps ? std::floor(k / 2) : k - 1;
        gathered /= k;
      }
      for (const Op op : {Op::all_gather, Op::reduce_scatter}) {
        CHECK(same(closed(op, ScheduleName::ring, torus, zyx, wraps).bytes, ring));
        CHECK(same(closed(op, ScheduleName::balanced, torus, zyx, wraps).bytes, balanced));
        CHECK(closed(op, ScheduleName::balanced, torus, zyx, wraps).hops == hops);
      }
    }
}

TEST_CASE("on d equal axes the rotated ring is d times faster than one axis after another, over as many hops") {
  for (int k = 2; k <= 8; ++k) {
    const struct { Torus torus; AxisStack group; int d; } equal[] = {
        {{k, 1, 1}, {Axis::x}, 1}, {{k, k, 1}, {Axis::y, Axis::x}, 2}, {{k, k, k}, zyx, 3}};
    for (const auto& [torus, group, d] : equal)
      for (const Op op : {Op::all_gather, Op::reduce_scatter, Op::all_reduce}) {
        const Closed one = closed(op, ScheduleName::ring, torus, group), all = closed(op, ScheduleName::rotated, torus, group);
        CHECK(same(all.bytes * d, one.bytes));
        CHECK(all.hops == one.hops);
      }
  }
}

TEST_CASE("an all_to_all is bound by the middle of a line, and by the cut of a ring") {
  for (int k = 2; k <= 64; k += 2) {
    CAPTURE(k);
    const Torus torus{k, 1, 1};
    // k / 8 would halve the block for the opposite chip; it goes one way, over k / 2 links in place of k / 4.
    const double ring = k / 8.0 + 0.25, line = k / 4.0;
    CHECK(same(closed(Op::all_to_all, ScheduleName::one_shot, torus, {Axis::x}).bytes, ring));
    CHECK(same(closed(Op::all_to_all, ScheduleName::one_shot, torus, {Axis::x}, false).bytes, line));
    CHECK(same(closed(Op::all_to_all, ScheduleName::direct, torus, {Axis::x}).bytes, ring));
    // Every block goes on one way until it is there.
    CHECK(same(closed(Op::all_to_all, ScheduleName::hop_by_hop, torus, {Axis::x}).bytes, (k - 1) / 2.0));
  }
  for (int k = 3; k <= 63; k += 2)
    CHECK(same(closed(Op::all_to_all, ScheduleName::direct, {k, 1, 1}, {Axis::x}).bytes, (k - 1.0 / k) / 8));
}

TEST_CASE("only the rounds along the asked axes count, and each constant scales its own term") {
  const auto rounds = round_loads(Op::all_gather, ScheduleName::balanced, {4, 8, 2}, zyx, true);
  const auto along = [&](AxisSet axes) { return walk_time(rounds, bytes, alpha, rate, axes); };
  double sum = 0;
  for (const Axis a : all_axes) sum += along({a}).total();
  CHECK(sum == doctest::Approx(along(axes_xyz).total()));
  CHECK(along({Axis::z}).bytes_s == doctest::Approx(bytes * 0.5 / rate));
  CHECK(along({Axis::y}).hops_s == doctest::Approx(4 * alpha));
  CHECK(along({}).total() == 0);
  CHECK(walk_time(rounds, 2 * bytes, alpha, rate).bytes_s == doctest::Approx(2 * along(axes_xyz).bytes_s));
  CHECK(walk_time(rounds, bytes, 2 * alpha, rate).hops_s == doctest::Approx(2 * along(axes_xyz).hops_s));
}

TEST_CASE("a walk that is known is the one that was counted, for each torus, group, schedule and wrap") {
  WalkLoads known;
  for (int twice = 0; twice < 2; ++twice)
    for (const Torus& torus : slices)
      for (const AxisStack& group : {AxisStack{Axis::x}, AxisStack{Axis::z, Axis::y}, AxisStack{Axis::y, Axis::z}, zyx})
        for (const ScheduleName schedule : {ScheduleName::ring, ScheduleName::balanced})
          for (const bool wraps : {true, false}) {
            const WalkTime t = walk_time(known.of(Op::all_gather, schedule, torus, group, wraps), 1, 1, 1);
            const Closed counted = closed(Op::all_gather, schedule, torus, group, wraps);
            CHECK(t.bytes_s == counted.bytes);
            CHECK(t.hops_s == counted.hops);
          }
}
