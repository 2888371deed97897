// One-way rings over all axes at once.
//
// There are as many parts of each block as there are axes with neighbours. All parts walk all those axes, each part in
// another order: in every stage each axis is some part's, so no link waits while another works. A stage lasts as long as its
// longest ring.
#include <algorithm>

#include "walks.hpp"

namespace tsrun {

Schedule rotated_schedule(Op collective, const Group& group) {
  std::vector<Axis> axes;  // minor first
  int longest = 1;
  for (const Axis a : group.axes.reversed()) {
    if (group.torus.size(a) > 1) axes.push_back(a);
    longest = std::max(longest, group.torus.size(a));
  }
  const int parts = std::max(static_cast<int>(axes.size()), 1);
  std::vector<AxisSet> whole(axes.size());  // the axes that a part has walked
  std::vector<Round> gather;
  for (std::size_t stage = 0; stage < axes.size(); ++stage) {
    const std::size_t first = gather.size();
    gather.resize(first + static_cast<std::size_t>(longest - 1));
    for (std::size_t part = 0; part < axes.size(); ++part) {
      const Axis a = axes[(part + stage) % axes.size()];
      const Units units(group, a, whole[part], parts);
      const int p = units.p(), i = static_cast<int>(part);
      for (int r = 0; r + 1 < units.k(); ++r)
        gather[first + static_cast<std::size_t>(r)].push_back(
            one_hop(a, Direction::plus, units.at(p - r, i), units.at(p - r - 1, i)));
      whole[part] = whole[part].with(a);
    }
  }
  return {collective, group.axes, group.size(), parts, group.number(), spread(collective, gather)};
}

}  // namespace tsrun
