#include "tsrun/kernels/threads.hpp"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <sstream>
#include <utility>

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

bool any_is_set(std::initializer_list<const char*> variables) {
  return std::any_of(variables.begin(), variables.end(), [](const char* v) { return std::getenv(v) != nullptr; });
}

}  // namespace

int available_cores() { return omp_get_num_procs(); }
int host_cores() { return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)); }

std::vector<Cores> whole_cores_of(int pid) {
  cpu_set_t set;
  if (sched_getaffinity(pid, sizeof set, &set) != 0) return {};
  std::map<std::pair<int, int>, Cores> cores;  // by socket and core
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &set)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(i) + "/topology/";
    int socket = 0, core = i;
    std::ifstream(topology + "physical_package_id") >> socket;
    std::ifstream(topology + "core_id") >> core;
    cores[{socket, core}].push_back(i);
  }
  std::vector<Cores> whole;
  for (auto& entry : cores) whole.push_back(std::move(entry.second));
  return whole;
}

Cores cores_of(int pid) {
  Cores all;
  for (const Cores& core : whole_cores_of(pid)) all.insert(all.end(), core.begin(), core.end());
  return all;
}

void run_on(const Cores& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores) CPU_SET(core, &set);
  sched_setaffinity(0, sizeof set, &set);  // a wish: where it is not granted the rank stays where it is
}

bool threads_have_places() { return any_is_set({"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"}); }

bool is_bound_unasked() {
  const bool asked =
      any_is_set({"OMPI_MCA_hwloc_base_binding_policy", "OMPI_MCA_hwloc_base_bind_to_core",
                  "OMPI_MCA_hwloc_base_bind_to_socket", "OMPI_MCA_hwloc_base_cpu_set", "OMPI_MCA_hwloc_base_cpu_list",
                  "OMPI_MCA_rmaps_base_mapping_policy", "OMPI_MCA_rmaps_base_cpus_per_rank", "OMPI_MCA_rmaps_base_bycore",
                  "OMPI_MCA_rmaps_rank_file_path", "OMPI_MCA_rmaps_ppr_pattern", "OMPI_MCA_rmaps_ppr_n_pernode",
                  "OMPI_MCA_rmaps_ppr_n_persocket"});
  return !asked && any_is_set({"OMPI_MCA_orte_bound_at_launch"});
}

CoreShare share_of_cores(const std::vector<Cores>& of_ranks, std::size_t rank, const std::vector<Cores>& to_share) {
  const std::size_t ranks = of_ranks.size(), whole = to_share.size();
  if (!to_share.empty()) {
    const bool enough = whole >= ranks;
    Cores mine;
    for (std::size_t i = enough ? rank * whole / ranks : 0; i < (enough ? (rank + 1) * whole / ranks : whole); ++i)
      mine.insert(mine.end(), to_share[i].begin(), to_share[i].end());
    return {mine, enough ? static_cast<int>(mine.size()) : 1};
  }
  const Cores& mine = of_ranks[rank];
  const auto sharers = std::count_if(of_ranks.begin(), of_ranks.end(), [&](const Cores& other) {
    return std::find_first_of(other.begin(), other.end(), mine.begin(), mine.end()) != other.end();
  });
  return {mine, std::max(1, static_cast<int>(std::ssize(mine) / std::max<std::ptrdiff_t>(1, sharers)))};
}

int set_threads(int asked, int good) {
  if (asked == 0 && std::getenv("OMP_NUM_THREADS") != nullptr) return omp_get_max_threads();
  const int threads = asked > 0 ? asked : std::max(1, good);
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
