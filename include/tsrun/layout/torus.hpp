// The 3D torus of chips and where a chip sits in it.
//
// Rank and coordinates: rank = (x * Y + y) * Z + z, the order of a Cartesian communicator that is not reordered.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/layout/axis.hpp"

namespace tsrun {

struct Torus {
  int X = 1;
  int Y = 1;
  int Z = 1;

  constexpr int size(Axis a) const { return a == Axis::x ? X : a == Axis::y ? Y : Z; }
  constexpr int size(AxisSet set) const {
    int n = 1;
    for (const Axis a : all_axes)
      if (set.has(a)) n *= size(a);
    return n;
  }
  constexpr int size(const AxisStack& stack) const { return size(stack.set()); }
  constexpr int size() const { return X * Y * Z; }
  // The axes of more than one chip: the others cut nothing and cost nothing.
  constexpr AxisSet cutting_axes() const {
    AxisSet s;
    for (const Axis a : all_axes)
      if (size(a) > 1) s = s.with(a);
    return s;
  }
  friend constexpr bool operator==(const Torus&, const Torus&) = default;
};

enum class Direction : std::uint8_t { plus, minus };

constexpr Direction opposite(Direction d) { return d == Direction::plus ? Direction::minus : Direction::plus; }
constexpr char sign(Direction d) { return d == Direction::plus ? '+' : '-'; }

struct Coord {
  int x = 0;
  int y = 0;
  int z = 0;

  constexpr int at(Axis a) const { return a == Axis::x ? x : a == Axis::y ? y : z; }
  constexpr int& at(Axis a) { return a == Axis::x ? x : a == Axis::y ? y : z; }
  friend constexpr bool operator==(const Coord&, const Coord&) = default;
};

constexpr Coord coord_of(const Torus& t, int rank) { return {rank / (t.Y * t.Z), rank / t.Z % t.Y, rank % t.Z}; }
constexpr int rank_of(const Torus& t, const Coord& c) { return (c.x * t.Y + c.y) * t.Z + c.z; }

// Whether its coordinates along these axes are 0: one chip for all that differ only there.
constexpr bool is_first_along(const Coord& c, AxisSet axes) {
  return !(axes.has(Axis::x) && c.x != 0) && !(axes.has(Axis::y) && c.y != 0) && !(axes.has(Axis::z) && c.z != 0);
}

// Which block of a dimension cut over the stack is this chip's: its digits along the stack, major to minor.
constexpr int block_of(const Torus& t, const AxisStack& stack, const Coord& c) {
  int block = 0;
  for (const Axis a : stack) block = block * t.size(a) + c.at(a);
  return block;
}

// The chip whose block that is, at the place of `c` along the axes that are not on the stack.
constexpr Coord chip_of(const Torus& t, const AxisStack& stack, int block, Coord c = {}) {
  for (const Axis a : stack.reversed()) {
    c.at(a) = block % t.size(a);
    block /= t.size(a);
  }
  return c;
}

// Links along the axis from one chip to another by a shortest way, negative for minus; plus where both ways are as long.
constexpr int links_between(const Torus& t, Axis a, const Coord& from, const Coord& to) {
  const int k = t.size(a), ahead = to.at(a) - from.at(a) + (to.at(a) < from.at(a) ? k : 0);
  return 2 * ahead <= k ? ahead : ahead - k;
}

// The chip `hops` links further along the axis, around the torus.
constexpr Coord shifted(const Torus& t, Coord c, Axis a, Direction d, int hops = 1) {
  const int k = t.size(a);
  c.at(a) = ((c.at(a) + (d == Direction::plus ? hops : -hops)) % k + k) % k;
  return c;
}

std::string to_text(const Torus& torus);   // "4x4x8"
// Refuses anything but XxYxZ of positive numbers, and more chips than most_torus_chips.
Torus parse_torus(std::string_view text);
inline constexpr std::int64_t most_torus_chips = 1 << 16;

// Every torus of so many chips: all ordered products of three sizes, X growing first.
std::vector<Torus> tori_of(int chips);

}  // namespace tsrun
