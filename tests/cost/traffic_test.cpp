// Bytes by link, read from the schedules of a program's steps.
#include <doctest/doctest.h>

#include "schedule/names.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/cost/traffic.hpp"
#include "tsrun/cost/volume.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;

namespace {

ModelConfig model() {
  ModelConfig c;
  c.layers = 1;
  c.E = 96;
  c.F = 192;
  c.H = 12;
  c.K = 12;
  c.Q = 8;
  c.V = 144;
  c.context = 64;
  c.rope_dims = 8;
  return c;
}

}  // namespace

TEST_CASE("statistics of norms send twice f(X) of a number a token") {
  for (const Torus t : {Torus{2, 2, 2}, Torus{3, 2, 1}, Torus{2, 3, 2}, Torus{1, 6, 2}, Torus{4, 1, 3}}) {
    const Program p = lower(model(), t, parse_layout("ws2d/head"), PassShape::uniform(Phase::prefill, 2, 3, 0, Output::none));
    double elements = 0;
    for (const Step& s : p.steps)
      if (s.op == Op::all_reduce && s.layer == 0) elements += sent(p, s);
    CHECK(elements == doctest::Approx(2 * 2 * 6 * (t.X - 1.0) / t.X));  // before attention and before the feed-forward
  }
}

TEST_CASE("bytes over each link are those of the schedule's moves, and add up to what the step sends") {
  const Torus t{3, 2, 2};
  for (const char* layout : {"ws2d/batch", "wg_xy/head", "ws1d/batch_x"}) {
    const Program p = lower(model(), t, parse_layout(layout), PassShape::uniform(Phase::prefill, 12, 12, 0, Output::greedy));
    for (const Step& s : p.steps) {
      if (!communicates(s.op) || s.op == Op::gather_weights || s.op == Op::all_reduce) continue;
      double bytes = 0;
      for (int rank = 0; rank < t.size(); ++rank) {
        const Schedule schedule = schedule_of(collective_of(s.op), s.schedule, t, s.axes, coord_of(t, rank));
        const LinkCounts counts = sent_by(schedule, block_elements(p, s, schedule) * engine_activation_bytes);
        counts.each([&](Axis a, Direction, const LinkCount& link) {
          CHECK((link.messages == 0 || s.axes.set().has(a)));
          bytes += static_cast<double>(link.bytes);
        });
      }
      CHECK(bytes / t.size() == doctest::Approx(4 * sent(p, s)));
    }
  }
}

TEST_CASE("every chip names the same links") {
  const Torus t{4, 3, 1};
  CHECK(used_links(Op::all_reduce, ScheduleName::line, t, {Axis::x}).size() == 2);  // up and back
  CHECK(used_links(Op::all_gather, ScheduleName::ring, t, {Axis::y, Axis::x}).size() == 2);
  CHECK(used_links(Op::all_to_all, ScheduleName::direct, t, {Axis::x, Axis::y}).size() == 4);
}

TEST_CASE("the first chip of a torus sends or receives a message as large as any other's") {
  constexpr std::int64_t block_bytes = 4004;
  for (const Torus t : {Torus{2, 2, 2}, Torus{3, 2, 1}, Torus{4, 3, 1}, Torus{1, 5, 2}, Torus{8, 1, 1}})
    for (const AxisStack& group : {AxisStack{Axis::x}, AxisStack{Axis::z, Axis::y}, test::zyx}) {
      if (t.size(group) == 1) continue;
      test::each_schedule([&](Op op, ScheduleName schedule_name) {
        CAPTURE(text(to_text(t), " ", name(op), " ", name(schedule_name), " ", to_text(group)));
        const auto largest = [&](int rank) {
          const Schedule s = schedule_of(op, schedule_name, t, group, coord_of(t, rank));
          CHECK(largest_message(s, block_bytes) <= block_bytes * s.blocks);
          return largest_message(s, block_bytes);
        };
        CHECK(largest(0) > 0);
        for (int rank = 1; rank < t.size(); ++rank) CHECK(largest(rank) <= largest(0));
      });
    }
}
