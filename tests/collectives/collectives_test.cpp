// Collectives on every torus that the ranks can form, with numbers that say where they come from.
#include "numbered.hpp"
#include "tsrun/kernels/team.hpp"
#include "tsrun/kernels/threads.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

int world_size() {
  int n = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &n);
  return n;
}

// visit(mesh, group, schedule) for every torus of the ranks, every group and every schedule that serves the collective.
template <class Visit>
void everywhere(Op collective, Visit visit) {
  for (const Torus& torus : tori_of(world_size())) {
    CAPTURE(to_text(torus));
    const Mesh mesh(torus, 60);
    for (const AxisStack& group : groups)
      each_schedule(collective, [&](ScheduleName schedule) {
        CAPTURE(name(schedule));
        visit(mesh, group, schedule);
      });
  }
}

}  // namespace

TEST_CASE("all_gather gives every chip of a group all blocks, in the order of the stack, by every schedule") {
  LinkCounts counts{};
  everywhere(Op::all_gather, [&](const Mesh& mesh, const AxisStack& group, ScheduleName schedule) {
    gather_numbers(mesh, group, schedule, counts);
  });
}

TEST_CASE("reduce_scatter gives every chip the sum of its own block, by every schedule") {
  LinkCounts counts{};
  everywhere(Op::reduce_scatter, [&](const Mesh& mesh, const AxisStack& group, ScheduleName schedule) {
    scatter_numbers(mesh, group, schedule, counts);
    scatter_in_place(mesh, group, schedule, 7, counts);
  });
}

TEST_CASE("long blocks, which all threads copy and add, are summed as short ones") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  LinkCounts counts{};
  const int before = team_threads();
  for (const int threads : {1, 3}) {
    set_threads(threads, threads);
    each_schedule(Op::reduce_scatter, [&](ScheduleName schedule) {
      scatter_in_place(mesh, {Axis::x}, schedule, 150'001, counts);
    });
  }
  set_threads(before, before);
}

TEST_CASE("all_to_all brings every chip its part of the split dimension from every chip, by every schedule") {
  LinkCounts counts{};
  everywhere(Op::all_to_all, [&](const Mesh& mesh, const AxisStack& group, ScheduleName schedule) {
    exchange_numbers(mesh, group, schedule, counts);
  });
}

TEST_CASE("all_reduce sums any number of elements, fewer than chips too, by every schedule") {
  LinkCounts counts{};
  everywhere(Op::all_reduce, [&](const Mesh& mesh, const AxisStack& group, ScheduleName schedule) {
    for (const std::int64_t elements : {1, 2, 7, 24}) reduce_numbers(mesh, group, schedule, elements, counts);
  });
}

TEST_CASE("a direct scatter adds in the order of the chips, whichever chip has the block") {
  for (const Torus& torus : tori_of(world_size())) {
    const Mesh mesh(torus, 60);
    LinkCounts counts{};
    for (const AxisStack& group : groups) scatter_in_order(mesh, group, counts);
  }
}

TEST_CASE("counted bytes are those of the schedule") {
  for (const Torus& torus : tori_of(world_size())) {
    const Mesh mesh(torus, 60);
    for (const AxisStack& group : groups) {
      LinkCounts counts{};
      gather_numbers(mesh, group, ScheduleName::ring, counts);
      std::int64_t bytes = 0;
      counts.each([&bytes](Axis, Direction, const LinkCount& link) { bytes += link.bytes; });
      CHECK(bytes == (torus.size(group) - 1) * (3 * 5 + 2 * 4) * 4);
    }
  }
}

TEST_CASE("one rank's error becomes everyone's, and names the rank") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  const int guilty = world_size() - 1;
  try {
    mesh.together("trying", [&] {
      if (mesh.rank() == guilty) refuse({.what = "a bad thing", .where = "here"});
    });
    FAIL("nobody complained");
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::request);
    CHECK(std::string(error.what()).find("a bad thing") != std::string::npos);
    if (mesh.rank() != guilty) CHECK(std::string(error.what()).find(text("rank ", guilty)) != std::string::npos);
  }
}

TEST_CASE("a torus that does not fit the ranks is refused with both numbers") {
  try {
    const Mesh mesh({world_size() + 1, 1, 1}, 60);
    FAIL("not refused");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find(text("ranks ", world_size())) != std::string::npos);
  }
}
