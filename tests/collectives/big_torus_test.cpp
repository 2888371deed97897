// The same on 64 ranks: 4x4x4 and an odd shape.
#include "numbered.hpp"

using namespace tsrun;
using namespace tsrun::test;

TEST_CASE("collectives on 64 ranks") {
  for (const Torus& torus : {Torus{4, 4, 4}, Torus{2, 32, 1}}) {
    const Mesh mesh(torus, 60);
    for (const AxisStack& group : groups) {
      LinkCounts counts{};
      gather_numbers(mesh, group, ScheduleName::ring, counts);
      scatter_numbers(mesh, group, ScheduleName::ring, counts);
      scatter_in_order(mesh, group, counts);
      exchange_numbers(mesh, group, ScheduleName::direct, counts);
      reduce_numbers(mesh, group, ScheduleName::ring, 7, counts);
      reduce_numbers(mesh, group, ScheduleName::line, 7, counts);
    }
  }
}
