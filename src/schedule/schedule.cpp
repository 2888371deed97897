#include "tsrun/schedule/schedule.hpp"

#include "tsrun/core/error.hpp"
#include "walks.hpp"

namespace tsrun {

Schedule schedule_of(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group, const Coord& chip) {
  check(is_collective(collective), "only a collective has a schedule");
  if (name == ScheduleName::ring) return ring_schedule(collective, torus, group, chip);
  check(collective == Op::all_reduce, "only an all_reduce walks a line");
  return line_schedule(torus, group, chip);
}

}  // namespace tsrun
