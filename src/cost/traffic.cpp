#include "tsrun/cost/traffic.hpp"

#include <algorithm>

#include "tsrun/core/integer.hpp"

namespace tsrun {

std::int64_t block_elements(const Program& p, const Step& step, const Schedule& schedule) {
  check(is_collective(step.op), "only a collective has blocks");
  std::int64_t elements = 0;  // a chip's share of the gathered or unreduced values
  const std::vector<ValueId>& larger = step.op == Op::all_gather ? step.out : step.in;
  for (const ValueId v : larger) elements += p.local_elements(v);
  return ceil_div(elements, schedule.blocks);
}

std::vector<LinkBytes> sent_bytes(const Schedule& schedule, std::int64_t block_bytes) {
  std::vector<LinkBytes> links;
  for (const Round& round : schedule.rounds)
    for (const Move& move : round) {
      if (move.send.count == 0) continue;
      auto link = std::find_if(links.begin(), links.end(), [&move](const LinkBytes& l) {
        return l.axis == move.axis && l.direction == move.direction;
      });
      if (link == links.end()) link = links.insert(link, {move.axis, move.direction, 0, 0});
      link->messages += 1;
      link->bytes += move.send.count * block_bytes;
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

double mean_sent_bytes(const Program& p, const Step& step) {
  std::int64_t bytes = 0;
  for (int rank = 0; rank < p.torus.size(); ++rank) {
    const Schedule schedule = schedule_of(step.op, step.schedule, p.torus, step.axes, coord_of(p.torus, rank));
    for (const LinkBytes& link : sent_bytes(schedule, block_elements(p, step, schedule) * activation_bytes)) bytes += link.bytes;
  }
  return static_cast<double>(bytes) / p.torus.size();
}

}  // namespace tsrun
