#include "tsrun/planner/price_pass.hpp"

#include <algorithm>
#include <bit>

#include "tsrun/cost/volume.hpp"
#include "tsrun/program/buffers.hpp"
#include "tsrun/program/lower.hpp"

namespace tsrun {
namespace {

// The released code stores a single key/value head on every chip. Where the length of the prompts is cut, or the batch
// over fewer axes than the weights are gathered over, `lower` has no program for that: there its storage is by columns.
Program lower_released(const ModelConfig& config, const Torus& torus, Layout layout, const PassShape& shape,
                       const Schedules& schedules) {
  try {
    return lower(config, torus, layout, shape, schedules);
  } catch (const Error&) {
    if (layout.kv == KvStorage::columns) throw;
  }
  layout.kv = KvStorage::columns;
  return lower(config, torus, layout, shape, schedules);
}

// The layout as the chip's software carries it out: how keys and values are stored, how query heads are padded and
// sent.
Layout as_released(const Layout& layout, const ModelConfig& config, const Torus& torus, const Chip& chip) {
  Layout l = layout;
  l.q_through_heads = chip.q_through_heads;
  if (config.K == 1) l.kv = chip.kv;
  // To a power of two (48 heads are 64), if all axes divide it that cut heads anywhere.
  const int power = static_cast<int>(std::bit_ceil(static_cast<unsigned>(config.H)));
  const int cut = torus.size(l.stored_F() | l.cut_E() | (l.gathered - l.batch)), all = torus.size();
  if (chip.released_heads)
    l.heads_cut = l.stored_E.empty() && l.gathered.empty() ? all : power % cut == 0 ? power : cut;
  return l;
}

}  // namespace

LoweredPass lower_pass(const ModelConfig& config, const Chip& chip, const Torus& torus, const Layout& layout,
                       const PassShape& shape) {
  std::int64_t local = 0;
  for (int i = 0; i < config.layers; ++i) local += config.is_local(i) ? 1 : 0;
  const Layout released = as_released(layout, config, torus, chip);
  LoweredPass pass{config, {}};
  ModelConfig one = config;
  one.layers = 1;
  const auto add = [&](std::int64_t layers, std::int64_t full_every) {
    one.full_every = full_every;
    if (layers > 0) pass.kinds.push_back({lower_released(one, torus, released, shape, chip.schedules), layers});
  };
  add(local, 0);
  add(config.layers - local, 1);
  return pass;
}

StepPrice PassCost::all() const {
  StepPrice sum = layers;
  return sum += outside;
}

PassCost price_pass(const LoweredPass& pass, const Chip& chip, DType weights, DType kv, WalkLoads& walks) {
  PassCost cost;
  for (const LoweredPass::Kind& kind : pass.kinds) {
    const PassPrice p = price(
        kind.program, chip, [&](const WeightUse&) { return weights; }, kv, walks);
    cost.layers += p.layers.times(static_cast<double>(pass.times(kind, 0)));
    cost.outside += p.outside.times(static_cast<double>(pass.times(kind, -1)));
  }
  return cost;
}

Memory pass_memory(const LoweredPass& pass, DType weights, DType kv, std::int64_t positions, int element_bytes) {
  const auto held = [&](const WeightUse&) { return weights; };
  Memory m;
  for (const LoweredPass::Kind& kind : pass.kinds) {
    const Program& p = kind.program;
    const Memory one = memory(p, held, kv, p.B, positions);
    for (const WeightUse& use : stored_weights(p.config, p.layout))
      m.weights += weight_bytes(p.config, p.torus, p.sizes, use, weights) * pass.times(kind, use.layer);
    m.kv += one.kv * kind.layers;
    m.gathered = std::max(m.gathered, one.gathered);
    m.activations = std::max(m.activations, alive_in_layers(p) * element_bytes);
  }
  return m;
}

double bytes_sent(const LoweredPass& pass, DType weights, int element_bytes) {
  const auto held = [weights](const WeightUse&) { return weights; };
  double bytes = 0;
  for (const LoweredPass::Kind& kind : pass.kinds)
    for (const Step& s : kind.program.steps)
      if (const std::int64_t times = pass.times(kind, s.layer); communicates(s.op) && times > 0)
        bytes += sent_bytes(kind.program, s, held, element_bytes) * static_cast<double>(times);
  return bytes;
}

}  // namespace tsrun
