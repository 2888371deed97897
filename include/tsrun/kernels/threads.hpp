// How many threads the kernels of this rank use, and where they may run.
#pragma once

#include <string>

namespace tsrun {

int available_cores();  // that this process may run on
int host_cores();       // of the machine, whatever this process is bound to
// `asked` threads; 0: what OMP_NUM_THREADS says, else this host's cores shared among its ranks. Returns the number.
int set_threads(int asked, int ranks_on_host);

// NUMA domains that this process may run in: with more than one, a thread may read weights that another domain holds,
// at a part of the speed. `nodes` is Linux's folder of them; 1 where the system does not tell.
int numa_domains(const std::string& nodes = "/sys/devices/system/node");

}  // namespace tsrun
