// Parcels from rank to rank: they arrive whole, are counted where they leave, and waiting for them is told.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "tsrun/collectives/parcels.hpp"

using namespace tsrun;

namespace {

int world_size() {
  int n = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &n);
  return n;
}

// Bytes that say from whom to whom they go, and where they lie.
std::byte content(int from, int to, std::size_t at) {
  return static_cast<std::byte>(static_cast<std::size_t>(31 * from + 7 * to) + at);
}

std::int64_t total(const LinkCounts& counts, std::int64_t LinkCount::*what) {
  std::int64_t sum = 0;
  counts.each([&](Axis, Direction, const LinkCount& link) { sum += link.*what; });
  return sum;
}

}  // namespace

TEST_CASE("parcels of every size arrive whole, in one message or in several") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  constexpr std::size_t large = std::size_t{1} << 30;
  for (const std::size_t size : {0, 1, 99, 100, 101, 1000})
    for (const std::size_t most : {std::size_t{100}, large}) {
      CAPTURE(size);
      CAPTURE(most);
      std::vector<std::vector<std::byte>> memory;
      std::vector<Parcel> out, in;
      for (int other = 0; other < mesh.size(); ++other) {
        if (other == mesh.rank()) continue;
        memory.emplace_back(size);
        for (std::size_t i = 0; i < size; ++i) memory.back()[i] = content(mesh.rank(), other, i);
        out.push_back({other, memory.back()});
        memory.emplace_back(size);
        in.push_back({other, memory.back()});
      }
      LinkCounts sent;
      CHECK(exchange(mesh, out, in, sent, most) >= 0);
      for (const Parcel& p : in)
        for (std::size_t i = 0; i < size; ++i) REQUIRE(p.bytes[i] == content(p.rank, mesh.rank(), i));
      const auto others = static_cast<std::int64_t>(out.size());
      CHECK(total(sent, &LinkCount::bytes) == others * static_cast<std::int64_t>(size));
      CHECK(total(sent, &LinkCount::messages) == others * static_cast<std::int64_t>((size + most - 1) / most));
    }
}

TEST_CASE("who waits for a parcel is told how long") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  if (mesh.size() == 1) return;
  constexpr double late = 0.3;
  std::vector<std::byte> memory(100);
  std::vector<Parcel> out, in;
  if (mesh.rank() == 0) out.push_back({1, memory});
  if (mesh.rank() == 1) in.push_back({0, memory});
  LinkCounts sent;
  mesh.agree({}, "starting together");
  if (mesh.rank() == 0) std::this_thread::sleep_for(std::chrono::duration<double>(late));
  const double waited = exchange(mesh, out, in, sent);
  if (mesh.rank() == 1) CHECK(waited > late / 2);
}
