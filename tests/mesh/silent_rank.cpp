// Rank 1 sleeps where the others wait for it: in a message of a collective, or in an agreement.
#include <unistd.h>

#include <string>

#include "tsrun/collectives/collectives.hpp"

using namespace tsrun;

int main(int argc, char** argv) {
  MpiSession session(&argc, &argv);
  const Mesh mesh({3, 1, 1}, 1.0);
  if (mesh.rank() == 1) sleep(40);
  if (std::string(argv[1]) == "agreement") mesh.agree({}, "agreeing");
  Collectives collectives(mesh);
  LinkCounts counts{};
  std::vector<float> in(1000), out(3000);
  const Strided tensor[] = {{1, 1000, in.data(), out.data()}};
  collectives.run(schedule_of(Op::all_gather, ScheduleName::ring, mesh.torus(), {Axis::x}, mesh.coord()), tensor,
                  counts);
  return 0;
}
