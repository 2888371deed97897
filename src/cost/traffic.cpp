#include "tsrun/cost/traffic.hpp"

#include <algorithm>

#include "tsrun/core/integer.hpp"
#include "tsrun/schedule/slots.hpp"

namespace tsrun {

std::int64_t block_elements(const Program& p, const Step& step, const Schedule& schedule) {
  check(communicates(step.op), "only a collective has blocks");
  std::int64_t elements = 0;  // a chip's share of the gathered or unreduced values
  const auto larger = collective_of(step.op) == Op::all_gather ? moved_to(step) : moved_from(step);
  for (const ValueId v : larger) elements += p.local_elements(v);
  return ceil_div(elements, schedule.blocks);
}

std::vector<LinkBytes> sent_bytes(const Schedule& schedule, std::int64_t block_bytes) {
  const SlotBytes slots(schedule, block_bytes);
  std::vector<LinkBytes> links;
  for (const Round& round : schedule.rounds)
    for (const Move& move : round) {
      if (move.send.total() == 0) continue;
      auto link = std::find_if(links.begin(), links.end(), [&move](const LinkBytes& l) {
        return l.axis == move.axis && l.direction == move.direction;
      });
      if (link == links.end()) link = links.insert(link, {move.axis, move.direction, 0, 0});
      link->messages += 1;
      link->bytes += slots.bytes(move.send);
    }
  return links;
}

std::vector<std::pair<Axis, Direction>> used_links(Op collective, ScheduleName name, const Torus& torus, const AxisStack& group) {
  std::vector<std::pair<Axis, Direction>> used;
  for (int rank = 0; rank < torus.size(); ++rank)
    for (const LinkBytes& link : sent_bytes(schedule_of(collective, name, torus, group, coord_of(torus, rank)), 1)) {
      const std::pair<Axis, Direction> found(link.axis, link.direction);
      if (std::find(used.begin(), used.end(), found) == used.end()) used.push_back(found);
    }
  std::sort(used.begin(), used.end());
  return used;
}

}  // namespace tsrun
