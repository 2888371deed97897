// The bytes that a program sends, read from its steps' schedules.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tsrun/program/program.hpp"
#include "tsrun/schedule/links.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun {

// Of one number between steps, as the engine holds and sends it: f32. What a chip's software takes for one, by which
// passes are priced, is Chip::activation_bytes.
inline constexpr std::int64_t engine_activation_bytes = 4;

// Elements of one block of a collective step: its values together, whole or unreduced, cut into the schedule's blocks
// (those of an all_reduce as equal as can be, the last padded).
std::int64_t block_elements(const Program& program, const Step& step, const Schedule& schedule);

// What the schedule's chip sends.
LinkCounts sent_by(const Schedule& schedule, std::int64_t block_bytes);
// Bytes of the largest message that the schedule's chip sends or receives.
std::int64_t largest_message(const Schedule& schedule, std::int64_t block_bytes);
// The links over which some chip of the torus sends in a collective, in one order for all chips.
std::vector<std::pair<Axis, Direction>> used_links(Op collective, ScheduleName name, const Torus& torus,
                                                   const AxisStack& group);

}  // namespace tsrun
