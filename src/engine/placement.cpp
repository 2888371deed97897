#include "tsrun/engine/placement.hpp"

#include <unistd.h>

#include <algorithm>

#include "tsrun/kernels/threads.hpp"

namespace tsrun {
namespace {

// What Open MPI takes from ranks that it binds to one core each, unasked, is given back: all that their launcher may run
// on. A parent that is bound itself is not the launcher.
std::vector<Cores> cores_to_give_back(const Mesh& mesh, const std::vector<Cores>& of_ranks) {
  const bool is_one = is_bound_unasked() && whole_cores_of().size() == 1;
  const std::vector<Cores> of_parents = mesh.gather_on_host(getppid() > 0 ? cores_of(getppid()) : Cores{});
  const auto is_launcher = [&](const Cores& parent) {
    return parent == of_parents[0] && std::all_of(of_ranks.begin(), of_ranks.end(), [&](const Cores& rank) {
             return std::find_first_of(parent.begin(), parent.end(), rank.begin(), rank.end()) != parent.end();
           });
  };
  const bool mine = is_one && std::all_of(of_parents.begin(), of_parents.end(), is_launcher);
  return mesh.max({mine ? 0 : 1})[0] == 0 ? whole_cores_of(getppid()) : std::vector<Cores>{};
}

}  // namespace

int place_rank(const Mesh& mesh, int asked) {
  const std::vector<Cores> of_ranks = mesh.gather_on_host(threads_have_places() ? Cores{} : cores_of());
  const std::vector<Cores> given_back = cores_to_give_back(mesh, of_ranks);
  if (std::any_of(of_ranks.begin(), of_ranks.end(), [](const Cores& cores) { return cores.empty(); })) {  // not known
    const bool is_bound = available_cores() < host_cores();
    return set_threads(asked, is_bound ? available_cores() : available_cores() / mesh.ranks_on_host());
  }
  const CoreShare share = share_of_cores(of_ranks, mesh.rank_on_host(), given_back);
  if (!given_back.empty()) run_on(share.cores);
  return set_threads(asked, share.threads);
}

}  // namespace tsrun
