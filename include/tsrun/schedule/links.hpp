// The links that leave a chip, and what goes over them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "tsrun/layout/torus.hpp"

namespace tsrun {

// Something for each of them.
template <class T>
class ByLink {
 public:
  constexpr T& at(Axis a, Direction d) { return all_[index(a, d)]; }
  constexpr const T& at(Axis a, Direction d) const { return all_[index(a, d)]; }
  // visit(axis, direction, value), in one order on all chips.
  template <class Visit>
  constexpr void each(Visit visit) const {
    for (const Axis a : all_axes)
      for (const Direction d : {Direction::plus, Direction::minus}) visit(a, d, at(a, d));
  }

 private:
  static constexpr std::size_t index(Axis a, Direction d) {
    return static_cast<std::size_t>(a) * 2 + static_cast<std::size_t>(d);
  }
  std::array<T, std::size_t{2} * axis_count> all_{};
};

// What a chip sends over one.
struct LinkCount {
  std::int64_t messages = 0;
  std::int64_t bytes = 0;  // payload
};
using LinkCounts = ByLink<LinkCount>;

}  // namespace tsrun
