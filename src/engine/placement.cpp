#include "tsrun/engine/placement.hpp"

#include <unistd.h>

#include "tsrun/kernels/threads.hpp"

namespace tsrun {

int place_rank(const Mesh& mesh, int asked) {
  // The launcher's own process runs wherever the job may.
  const bool unasked = mesh.max({is_bound_unasked() ? 0 : 1})[0] == 0;
  const CoreShare share = share_of_cores(mesh.gather_on_host(cores_of()), mesh.rank_on_host(),
                                         unasked ? cores_of(getppid()) : Cores{});
  if (unasked) run_on(share.cores);
  return set_threads(asked, share.threads);
}

}  // namespace tsrun
