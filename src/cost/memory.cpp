#include "tsrun/cost/memory.hpp"

#include <algorithm>

#include "tsrun/cost/traffic.hpp"
#include "tsrun/program/buffers.hpp"

namespace tsrun {

std::int64_t weight_bytes(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const WeightUse& use,
                          DType type) {
  std::int64_t elements = 1;
  for (int i = 0; i < use.partition.dims(); ++i)
    elements *= sizes.of(use.partition[i].dim, config) / torus.size(use.partition[i].axes);
  const bool vector = use.partition.dims() == 1 || !use.partition.has(Dim::E);
  return elements * (vector ? 32 : bits(type)) / 8;
}

Memory memory(const Program& p, const std::function<DType(const WeightUse&)>& held, DType kv, std::int64_t sequences,
              std::int64_t context) {
  Memory m;
  for (const WeightUse& use : stored_weights(p.config, p.layout))
    m.weights += weight_bytes(p.config, p.torus, p.sizes, use, held(use));
  m.kv = 2 * p.config.layers * sequences * p.kv_slots * context * p.config.Q * bits(kv) / 8;
  m.activations = plan_buffers(p).elements * activation_bytes;
  for (const Step& step : p.steps)
    if (is_collective(step.op)) {  // all blocks, and what is received while it is added
      const Schedule schedule = schedule_of(step.op, step.schedule, p.torus, step.axes, Coord{});
      m.staging = std::max(m.staging, 2 * block_elements(p, step, schedule) * schedule.blocks * activation_bytes);
    }
  return m;
}

}  // namespace tsrun
