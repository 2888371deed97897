// Every schedule on every torus up to 512 chips, played symbolically, without MPI.
//
// Without TSRUN_LONG all tori up to 64 chips and some larger ones. With it all, and above 64 chips two facts spare half of
// the time: a scatter that is a right gather backwards is right, and so is an all_reduce that is a right scatter followed by
// a right gather.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "names.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

// All tori of n chips; of those that are the same but for axes of one chip, one.
template <class Visit>
void each_torus(int n, Visit visit) {
  for (int X = 1; X <= n; ++X)
    for (int Y = 1; X * Y <= n; ++Y) {
      const int Z = n / X / Y;
      if (X * Y * Z == n && (Y > 1 || X == 1) && (Z > 1 || Y == 1)) visit(Torus{X, Y, Z});
    }
}

bool is_backwards(const Round& scatter, const Round& gather) {
  return std::equal(scatter.begin(), scatter.end(), gather.begin(), gather.end(), [](const Move& s, const Move& g) {
    const Coord back{-g.further.x, -g.further.y, -g.further.z};
    return s == Move{g.axis, opposite(g.direction), g.receive, g.send, Action::add, g.hops, back};
  });
}

// The walk of every chip is that of the ring family: a gather, that gather backwards, one after the other.
bool mirrors_its_gather(Op op, ScheduleName name, const Torus& torus) {
  for (int rank = 0; rank < torus.size(); ++rank) {
    const auto walk = [&](Op kind) { return schedule_of(kind, name, torus, zyx, coord_of(torus, rank)).rounds; };
    const auto walked = walk(op), gather = walk(Op::all_gather);
    if (walked.size() != gather.size() * (op == Op::all_reduce ? 2 : 1)) return false;
    if (!std::equal(gather.rbegin(), gather.rend(), walked.begin(), [](const Round& g, const Round& s) { return is_backwards(s, g); }))
      return false;
    if (op == Op::all_reduce && !std::equal(gather.begin(), gather.end(), walked.end() - static_cast<std::ptrdiff_t>(gather.size())))
      return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the checker accepts every schedule on every torus") {
  const bool every = std::getenv("TSRUN_LONG") != nullptr;
  int tori = 0;
  const char* const part = std::getenv("TSRUN_PART");  // i: every eighth torus, so that eight processes share the work
  for (int n = 1; n <= 512; ++n) {
    if (!every && n > 64 && n != 125 && n != 210 && n != 343 && n != 509) continue;
    each_torus(n, [&](const Torus& torus) {
      ++tori;
      if (part != nullptr && tori % 8 != std::atoi(part)) return;
      CAPTURE(to_text(torus));
      each_schedule([&](Op op, ScheduleName schedule) {
        CAPTURE(name(op));
        CAPTURE(name(schedule));
        const bool ring = schedule < ScheduleName::line || (schedule == ScheduleName::doubling && op == Op::reduce_scatter);
        if (every && n > 64 && ring && op != Op::all_gather) CHECK(mirrors_its_gather(op, schedule, torus));
        else CHECK_NOTHROW(check_schedule(op, schedule, torus, zyx));
      });
    });
  }
  CHECK(tori == (every ? 7063 : 424));
}

TEST_CASE("groups over some of the axes, in any order, stay inside their chips") {
  const AxisStack groups[] = {{Axis::x}, {Axis::y}, {Axis::z}, {Axis::z, Axis::y}, {Axis::x, Axis::y}, {Axis::y, Axis::x},
                              {Axis::x, Axis::z}, {Axis::x, Axis::y, Axis::z}, {Axis::y, Axis::x, Axis::z}, {}};
  for (const Torus torus : {Torus{2, 2, 2}, Torus{3, 2, 1}, Torus{1, 6, 2}, Torus{4, 4, 4}, Torus{2, 3, 5}})
    for (const AxisStack& group : groups)
      each_schedule([&](Op op, ScheduleName schedule) {
        CHECK_NOTHROW(check_schedule(op, schedule, torus, group));
        for (const Round& round : schedule_of(op, schedule, torus, group, {}).rounds)
          for (const Move& move : round)
            for (const Axis a : all_axes)
              CHECK((group.set().has(a) || (move.axis != a && move.further.at(a) == 0)));
      });
}
