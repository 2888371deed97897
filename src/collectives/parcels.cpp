#include "tsrun/collectives/parcels.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <vector>

namespace tsrun {
namespace {

// visit(bytes) for each message of a parcel, in order.
template <class Visit>
void each_message(std::span<std::byte> bytes, std::size_t most, Visit visit) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(most, bytes.size());
    visit(bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

}  // namespace

FirstLink first_link(const Torus& torus, const Coord& from, const Coord& to) {
  for (const Axis a : all_axes) {
    const int links = links_between(torus, a, from, to);
    if (links != 0) return {a, links > 0 ? Direction::plus : Direction::minus};
  }
  check(false, "a parcel goes to another chip");
  return {};
}

double exchange(const Mesh& mesh, std::span<const Parcel> out, std::span<const Parcel> in, LinkCounts& counts,
                std::size_t most) {
  constexpr int tag = 2 * axis_count;  // above those of the links
  constexpr const char* what = "move_kv";
  check(most > 0 && most <= INT_MAX, "a message's bytes are counted by an int");
  std::vector<MPI_Request> requests;
  requests.reserve(out.size() + in.size());
  for (const Parcel& p : in)
    each_message(p.bytes, most, [&](std::span<std::byte> m) {
      MPI_Request& request = requests.emplace_back();
      mesh.must(MPI_Irecv(m.data(), static_cast<int>(m.size()), MPI_BYTE, p.rank, tag, mesh.comm(), &request), what);
    });
  for (const Parcel& p : out) {
    const FirstLink link = first_link(mesh.torus(), mesh.coord(), coord_of(mesh.torus(), p.rank));
    LinkCount& count = counts.at(link.axis, link.direction);
    each_message(p.bytes, most, [&](std::span<std::byte> m) {
      MPI_Request& request = requests.emplace_back();
      mesh.must(MPI_Isend(m.data(), static_cast<int>(m.size()), MPI_BYTE, p.rank, tag, mesh.comm(), &request), what);
      count.messages += 1;
      count.bytes += static_cast<std::int64_t>(m.size());
    });
  }
  const auto start = std::chrono::steady_clock::now();
  mesh.wait_all(requests, what);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace tsrun
