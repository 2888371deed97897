// A decode step of a model on a torus in every layout, and how it splits into computing, transferring and waiting; beside
// each an all-reduce of 8 bytes, which is nothing but hand-overs between the ranks.
//
//   mpirun -n 64 step_bench MODEL.h5 4x4x4 [steps]
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "seconds_of.hpp"
#include "tsrun/engine/engine.hpp"
#include "tsrun/engine/placement.hpp"

using namespace tsrun;

namespace {

double median(std::vector<double> all) {
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

void measure(const ModelFile& file, const Mesh& mesh, const Layout& layout, int steps) {
  Plan plan;
  plan.torus = mesh.torus();
  plan.prefill = plan.decode = layout;
  plan.context = 20 + steps;
  plan.widest = Output::greedy;
  Engine engine(file, plan, mesh);
  const std::vector<std::int32_t> prompt(19, 1);
  PassInput row{0, 0, prompt};
  std::int32_t next = engine.forward(Phase::prefill, std::span(&row, 1), Output::greedy).ids[0];
  const Seconds before = engine.seconds();
  std::vector<double> step_s, all_reduce_s;
  double all_s = 0;
  for (int i = 0; i < steps; ++i) {
    row = {0, std::ssize(prompt) + i, std::span(&next, 1)};
    std::int32_t id = 0;
    step_s.push_back(
        seconds_of([&] { id = engine.forward(Phase::decode, std::span(&row, 1), Output::greedy).ids[0]; }));
    all_s += step_s.back();
    next = id;
  }
  for (int i = 0; i < 50; ++i)
    all_reduce_s.push_back(seconds_of([&] {
      double one = 1, sum = 0;
      MPI_Allreduce(&one, &sum, 1, MPI_DOUBLE, MPI_SUM, mesh.comm());
    }));
  const Seconds after = engine.seconds();
  if (mesh.rank() != 0) return;
  std::printf("%-16s %8.1f ms   %5.1f %% %5.1f %% %5.1f %%   %7.3f ms\n", to_text(layout).c_str(), 1e3 * median(step_s),
              100 * (after.compute - before.compute) / all_s, 100 * (after.transfer - before.transfer) / all_s,
              100 * (after.wait - before.wait) / all_s, 1e3 * median(all_reduce_s));
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  MpiSession session(&argc, &argv);
  if (argc < 3) {
    if (session.speaks()) std::fprintf(stderr, "step_bench MODEL.h5 XxYxZ [steps]\n");
    return 2;
  }
  const ModelFile file(argv[1]);
  const Mesh mesh(parse_torus(argv[2]), 600);
  place_rank(mesh, 0);
  const int steps = argc > 3 ? std::max(1, std::atoi(argv[3])) : 5;
  if (mesh.rank() == 0)
    std::printf("%-16s %11s   of rank 0: compute, transfer, wait   all-reduce of 8 bytes (medians, wall clock)\n", "layout",
                "a step");
  for (const Layout& layout : named_layouts()) measure(file, mesh, layout, steps);
}
