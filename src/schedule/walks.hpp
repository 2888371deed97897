// The kinds of walk, one file each.
#pragma once

#include "tsrun/schedule/schedule.hpp"

namespace tsrun {

Schedule ring_schedule(Op collective, const Torus& torus, const AxisStack& group, const Coord& chip);
Schedule line_schedule(const Torus& torus, const AxisStack& group, const Coord& chip);

Schedule direct_schedule(Op collective, const Torus& torus, const AxisStack& group, const Coord& chip);

}  // namespace tsrun
