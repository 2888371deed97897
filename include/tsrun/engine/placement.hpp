// Where a rank runs.
#pragma once

#include "tsrun/mesh/mesh.hpp"

namespace tsrun {

// Collective. Settles the cores of this rank and its number of threads, which it returns: `asked`, or 0 for what
// OMP_NUM_THREADS says, else for as many as its share of the host's cores is good for. Binding that was asked for is
// kept; what a launcher does by itself is not.
int place_rank(const Mesh& mesh, int asked);

}  // namespace tsrun
