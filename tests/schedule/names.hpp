// All pairs of a kind of collective and a schedule that serves it.
#pragma once

#include "tsrun/schedule/schedule.hpp"

namespace tsrun::test {

inline constexpr Op collectives[] = {Op::all_gather, Op::reduce_scatter, Op::all_reduce, Op::all_to_all};
inline constexpr ScheduleName schedules[] = {
    ScheduleName::ring,    ScheduleName::two_way, ScheduleName::balanced, ScheduleName::latency,  ScheduleName::rotated,
    ScheduleName::line,    ScheduleName::one_shot, ScheduleName::doubling, ScheduleName::direct,   ScheduleName::hop_by_hop};
inline const AxisStack zyx{Axis::z, Axis::y, Axis::x};

template <class Visit>
void each_schedule(Visit visit) {
  for (const Op op : collectives)
    for (const ScheduleName schedule : schedules)
      if (serves(schedule, op)) visit(op, schedule);
}

}  // namespace tsrun::test
