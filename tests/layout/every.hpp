// Every set and every stack of the three axes, and tori of all kinds: a single chip, cubes, rings, odd ones.
#pragma once

#include <algorithm>
#include <vector>

#include "tsrun/layout/torus.hpp"

namespace tsrun::test {

inline std::vector<AxisSet> every_set() {
  std::vector<AxisSet> all = {AxisSet{}};
  for (const Axis a : all_axes)
    for (std::size_t i = all.size(); i-- > 0;) all.push_back(all[i].with(a));
  return all;  // 8
}

inline std::vector<AxisStack> every_stack() {
  std::vector<AxisStack> all = {AxisStack{}};
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const Axis a : all_axes) {
      if (all[i].set().has(a)) continue;
      AxisStack longer = all[i];
      longer.push(a);
      all.push_back(longer);
    }
  return all;  // 1 + 3 + 6 + 6
}

inline std::vector<Torus> some_tori() {
  return {{1, 1, 1}, {2, 1, 1}, {1, 3, 1}, {5, 1, 1}, {3, 2, 1}, {1, 6, 2}, {2, 2, 2}, {2, 3, 2}, {2, 3, 4}, {4, 4, 4}};
}

}  // namespace tsrun::test
