#include "tsrun/kernels/threads.hpp"

#include <omp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace tsrun {

int available_cores() { return omp_get_num_procs(); }
int host_cores() { return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)); }

int set_threads(int asked, int ranks_on_host) {
  if (asked == 0 && std::getenv("OMP_NUM_THREADS") != nullptr) return omp_get_max_threads();
  // A launcher that binds a rank to some cores has shared them out already; else all ranks see all cores.
  const int mine = available_cores() < host_cores() ? available_cores() : available_cores() / ranks_on_host;
  const int threads = asked > 0 ? asked : std::max(1, mine);
  omp_set_num_threads(threads);
  return threads;
}

}  // namespace tsrun
