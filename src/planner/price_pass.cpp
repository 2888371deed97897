#include "tsrun/planner/price_pass.hpp"

#include <algorithm>
#include <bit>

#include "tsrun/program/lower.hpp"

namespace tsrun {
namespace {

// The released code stores a single key/value head on every chip. Where the length of the prompts is cut, or the batch
// over fewer axes than the weights are gathered over, programs.md has no such program: there its storage is by columns.
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

}  // namespace

Layout as_released(const Layout& layout, const ModelConfig& config, const Torus& torus, const Chip& chip) {
  Layout l = layout;
  l.q_through_heads = chip.q_through_heads;
  if (config.K == 1) l.kv = chip.kv;
  // To a power of two (48 heads are 64), and so far that all axes divide them that cut heads anywhere.
  const int power = static_cast<int>(std::bit_ceil(static_cast<unsigned>(config.H)));
  const int cut = torus.size(l.stored_F() | l.cut_E()), all = torus.size();
  if (chip.released_heads) l.heads_cut = l.stored_E.empty() && l.gathered.empty() ? all : std::max(power, cut);
  return l;
}

PassCost price_pass(const ModelConfig& config, const Chip& chip, const Torus& torus, const Layout& layout,
                    const PassShape& shape, DType weights, DType kv) {
  std::int64_t local = 0;
  for (int i = 0; i < config.layers; ++i) local += config.is_local(i) ? 1 : 0;
  ModelConfig one = config;
  one.layers = 1;
  const Layout released = as_released(layout, config, torus, chip);
  PassCost cost;
  const auto add = [&](std::int64_t layers, std::int64_t full_every) {
    if (layers == 0) return;
    one.full_every = full_every;
    const PassPrice p = price(
        lower_released(one, torus, released, shape, chip.schedules), chip, [&](const WeightUse&) { return weights; },
        kv);
    cost.layers += p.layers.times(static_cast<double>(layers));
    cost.outside = p.outside;
  };
  add(local, 0);
  add(config.layers - local, 1);
  return cost;
}

}  // namespace tsrun
