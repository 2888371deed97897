// Bytes straight from rank to rank, where who sends what to whom is a list and not a collective: the movement of the KV
// cache. Every rank knows the whole list, so nobody announces anything.
#pragma once

#include <cstddef>
#include <span>

#include "tsrun/collectives/collectives.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun {

struct Parcel {
  int rank = 0;                // to whom, or from whom
  std::span<std::byte> bytes;  // what goes, or where it comes, as many as will come
};

// Between two ranks there is at most one parcel each way. It goes in messages of at most `most` bytes, for MPI counts them
// by an int. Counted at the sender, under the first axis on which the two chips differ, in the shorter direction. Gives
// the seconds in which this rank had nothing to do but wait for messages.
double exchange(const Mesh& mesh, std::span<const Parcel> out, std::span<const Parcel> in, LinkCounts& counts,
                std::size_t most = std::size_t{1} << 30);

// Under which axis and direction a parcel is counted.
struct FirstLink {
  Axis axis = Axis::x;
  Direction direction = Direction::plus;
};
FirstLink first_link(const Torus& torus, const Coord& from, const Coord& to);

}  // namespace tsrun
