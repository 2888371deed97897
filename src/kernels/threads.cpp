#include "tsrun/kernels/threads.hpp"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace tsrun {
namespace {

// Whether one of these cores is mine; `list` as Linux writes it, "0-3,8".
bool any_is_mine(const std::string& list, const cpu_set_t& mine) {
  std::istringstream in(list);
  for (std::string range; std::getline(in, range, ',');) {
    int first = 0, last = 0;
    const int found = std::sscanf(range.c_str(), "%d-%d", &first, &last);
    if (found < 1) continue;
    if (found == 1) last = first;
    for (int core = std::max(first, 0); core <= std::min(last, CPU_SETSIZE - 1); ++core)
      if (CPU_ISSET(core, &mine)) return true;
  }
  return false;
}

}  // namespace

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

int numa_domains(const std::string& nodes) {
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof mine, &mine) != 0) return 1;
  int domains = 0;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(nodes, none)) {
    if (!entry.path().filename().string().starts_with("node")) continue;
    std::string cores;
    std::getline(std::ifstream(entry.path() / "cpulist"), cores);
    domains += any_is_mine(cores, mine) ? 1 : 0;
  }
  return std::max(1, domains);
}

}  // namespace tsrun
