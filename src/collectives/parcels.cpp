#include "tsrun/collectives/parcels.hpp"

#include <chrono>
#include <climits>
#include <vector>

namespace tsrun {

FirstLink first_link(const Torus& torus, const Coord& from, const Coord& to) {
  for (const Axis a : all_axes) {
    const int links = links_between(torus, a, from, to);
    if (links != 0) return {a, links > 0 ? Direction::plus : Direction::minus};
  }
  check(false, "a parcel goes to another chip");
  return {};
}

double exchange(const Mesh& mesh, std::span<const Parcel> out, std::span<const Parcel> in, LinkCounts& counts) {
  constexpr int tag = 2 * axis_count;  // above those of the links
  constexpr const char* what = "move_kv";
  std::vector<MPI_Request> requests;
  requests.reserve(out.size() + in.size());
  const auto count_of = [](const Parcel& parcel) {
    check(parcel.bytes.size() <= INT_MAX, "a parcel is counted by an int");
    return static_cast<int>(parcel.bytes.size());
  };
  for (const Parcel& p : in)
    mesh.must(MPI_Irecv(p.bytes.data(), count_of(p), MPI_BYTE, p.rank, tag, mesh.comm(), &requests.emplace_back()), what);
  for (const Parcel& p : out) {
    mesh.must(MPI_Isend(p.bytes.data(), count_of(p), MPI_BYTE, p.rank, tag, mesh.comm(), &requests.emplace_back()), what);
    const FirstLink link = first_link(mesh.torus(), mesh.coord(), coord_of(mesh.torus(), p.rank));
    LinkCount& count = counts.at(link.axis, link.direction);
    count.messages += 1;
    count.bytes += static_cast<std::int64_t>(p.bytes.size());
  }
  const auto start = std::chrono::steady_clock::now();
  mesh.wait_all(requests, what);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace tsrun
