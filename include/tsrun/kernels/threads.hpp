// How many threads the kernels of this rank use.
#pragma once

namespace tsrun {

int available_cores();  // that this process may run on
int host_cores();       // of the machine, whatever this process is bound to
// `asked` threads; 0: what OMP_NUM_THREADS says, else this host's cores shared among its ranks. Returns the number.
int set_threads(int asked, int ranks_on_host);

}  // namespace tsrun
