#include "tsrun/cost/traffic.hpp"

#include <algorithm>

#include "tsrun/core/integer.hpp"
#include "tsrun/cost/volume.hpp"
#include "tsrun/schedule/slots.hpp"

namespace tsrun {

std::int64_t block_elements(const Program& p, const Step& step, const Schedule& schedule) {
  return ceil_div(moved_elements(p, step), schedule.blocks);
}

LinkCounts sent_by(const Schedule& schedule, std::int64_t block_bytes) {
  const SlotBytes slots(schedule, block_bytes);
  LinkCounts counts;
  for (const Round& round : schedule.rounds)
    for (const Move& move : round) {
      if (move.send.total() == 0) continue;
      LinkCount& link = counts.at(move.axis, move.direction);
      link.messages += 1;
      link.bytes += slots.bytes(move.send);
    }
  return counts;
}

std::int64_t largest_message(const Schedule& schedule, std::int64_t block_bytes) {
  const SlotBytes slots(schedule, block_bytes);
  std::int64_t most = 0;
  for (const Round& round : schedule.rounds)
    for (const Move& move : round) most = std::max({most, slots.bytes(move.send), slots.bytes(move.receive)});
  return most;
}

std::vector<std::pair<Axis, Direction>> used_links(Op collective, ScheduleName name, const Torus& torus,
                                                   const AxisStack& group) {
  ByLink<bool> used;
  for (int rank = 0; rank < torus.size(); ++rank)
    sent_by(schedule_of(collective, name, torus, group, coord_of(torus, rank)), 1)
        .each([&](Axis a, Direction d, const LinkCount& link) { used.at(a, d) = used.at(a, d) || link.messages > 0; });
  std::vector<std::pair<Axis, Direction>> links;
  used.each([&](Axis a, Direction d, bool some_chip_sends) {
    if (some_chip_sends) links.emplace_back(a, d);
  });
  return links;
}

}  // namespace tsrun
