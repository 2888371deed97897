#include "tsrun/cost/volume.hpp"

#include "tsrun/cost/memory.hpp"
#include "tsrun/schedule/schedule.hpp"

namespace tsrun {
namespace {

// Of one weight's shard on a chip.
std::int64_t shard_elements(const Program& p, const WeightUse& use) {
  return shard_shape(p.config, p.torus, p.sizes, use).elements();
}

}  // namespace

std::int64_t moved_elements(const Program& p, const Step& step) {
  check(communicates(step.op), "only a step that communicates moves anything");
  std::int64_t elements = 0;
  if (step.op == Op::gather_weights) {
    for (const WeightUse& use : step.weights) elements += shard_elements(p, use) * p.torus.size(step.axes);
    return elements;
  }
  for (const ValueId v : collective_of(step.op) == Op::all_gather ? moved_to(step) : moved_from(step))
    elements += p.local_elements(v);
  return elements;
}

std::int64_t volume(const Program& p, const Step& step) {
  return moved_elements(p, step) * (step.op == Op::all_reduce ? 2 : 1);  // there and back
}

double sent(const Program& p, const Step& step) {
  const Op collective = collective_of(step.op);
  const auto whole = static_cast<double>(moved_elements(p, step));
  double blocks = 0;
  int senders = 0;  // one of those that do alike stands for all
  for (int rank = 0; rank < p.torus.size(); ++rank) {
    const Coord chip = coord_of(p.torus, rank);
    if (!is_first_along(chip, is_symmetric(step.schedule) ? axes_xyz : axes_xyz - step.axes.set())) continue;
    const Schedule schedule = schedule_of(collective, step.schedule, p.torus, step.axes, chip);
    for (const Round& round : schedule.rounds)
      for (const Move& move : round) blocks += static_cast<double>(move.send.total()) / schedule.slots();
    ++senders;
  }
  return whole * blocks / senders;
}

double sent_bytes(const Program& p, const Step& step, const std::function<DType(const WeightUse&)>& held,
                  std::int64_t element_bytes) {
  const double elements = sent(p, step);
  if (step.op != Op::gather_weights) return elements * static_cast<double>(element_bytes);
  double bytes = 0, all = 0;  // each weight's share of what is sent is that of its size
  for (const WeightUse& use : step.weights) {
    bytes += static_cast<double>(weight_bytes(p.config, p.torus, p.sizes, use, held(use)));
    all += static_cast<double>(shard_elements(p, use));
  }
  return elements * bytes / all;
}

}  // namespace tsrun
