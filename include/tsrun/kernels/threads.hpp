// How many threads the kernels of this rank use, and where they may run.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace tsrun {

int available_cores();  // that this process may run on
int host_cores();       // of the machine, whatever this process is bound to

// Hardware threads by the numbers of the system. Those that process `pid` may run on (0: this one), core by core, the
// cores of a socket together; none where the system does not say.
using Cores = std::vector<int>;
std::vector<Cores> whole_cores_of(int pid = 0);
Cores cores_of(int pid = 0);
void run_on(const Cores& cores);

// Whether OpenMP was given places for threads. It then binds the first thread too, and what that may run on says nothing
// of the others.
bool threads_have_places();
// Whether Open MPI bound this rank to cores although nobody asked for it: one or two ranks of a host to a core each,
// whatever number of threads they have, more to a socket.
bool is_bound_unasked();

// What one of a host's ranks has: cores, and how many threads they are good for.
struct CoreShare {
  Cores cores;
  int threads;
};
// Ranks that a launcher bound to cores of their own keep these; of cores that several may run on each has its part.
// `to_share`, if there are any, is shared out instead, one run of whole cores each while there are enough.
CoreShare share_of_cores(const std::vector<Cores>& of_ranks, std::size_t rank, const std::vector<Cores>& to_share);

// `asked` threads; 0: what OMP_NUM_THREADS says, else `good`. Returns the number.
int set_threads(int asked, int good);

// NUMA domains that this process may run in: with more than one, a thread may read weights that another domain holds,
// at a part of the speed. `nodes` is Linux's folder of them; 1 where the system does not tell.
int numa_domains(const std::string& nodes = "/sys/devices/system/node");

}  // namespace tsrun
