#include "tsrun/schedule/schedule.hpp"

#include "tsrun/core/error.hpp"
#include "walks.hpp"

namespace tsrun {

Schedule schedule_of(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group, const Coord& chip) {
  check(is_collective(collective), "only a collective has a schedule");
  if (name == ScheduleName::direct) {
    check(collective == Op::all_to_all || collective == Op::reduce_scatter, "all_to_all and reduce_scatter go direct");
    return direct_schedule(collective, torus, group, chip);
  }
  check(collective != Op::all_to_all, "an all_to_all goes direct");
  if (name == ScheduleName::ring) return ring_schedule(collective, torus, group, chip);
  check(name == ScheduleName::line && collective == Op::all_reduce, "only an all_reduce walks a line");
  return line_schedule(torus, group, chip);
}

}  // namespace tsrun
