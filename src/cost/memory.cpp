#include "tsrun/cost/memory.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <span>

#include "tsrun/core/cache_type.hpp"
#include "tsrun/cost/traffic.hpp"
#include "tsrun/program/buffers.hpp"

namespace tsrun {

std::int64_t weight_bytes(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const WeightUse& use,
                          DType type) {
  const ShardShape shard = shard_shape(config, torus, sizes, use);
  const bool vector = use.partition.dims() == 1 || !use.partition.has(Dim::E);
  return bytes_of(vector ? DType::f32 : type, shard.rows, shard.columns);
}

std::int64_t kv_bytes(const ModelConfig& config, const KvCut& cut, DType type, std::int64_t positions) {
  return 2 * config.layers * (cut.rows / cut.blocks()) * cut.most_slots() * positions * cached_bytes(type, config.Q);
}

std::int64_t max_context(const ModelConfig& config, const KvCut& cut, DType type, double bytes) {
  return static_cast<std::int64_t>(bytes / static_cast<double>(kv_bytes(config, cut, type, 1)));
}

std::int64_t moving_bytes(const ModelConfig& config, const KvMoves& moves, DType type) {
  std::map<int, std::int64_t> leaving, coming;
  std::int64_t most_leaving = 0, most_coming = 0, most_staying = 0;
  for (const KvMove& m : moves) {
    const std::int64_t bytes = 2 * m.row.positions * cached_bytes(type, config.Q);
    if (m.from == m.to) {
      most_staying = std::max(most_staying, bytes);
      continue;
    }
    most_leaving = std::max(most_leaving, leaving[m.from] += bytes);
    most_coming = std::max(most_coming, coming[m.to] += bytes);
  }
  return most_leaving + most_coming + most_staying;
}

namespace {

// A tile of all the step's weights from every chip of the group, twice: as the collective packs it and as it is
// multiplied.
std::int64_t gathered_bytes(const Program& p, const Step& step, const std::function<DType(const WeightUse&)>& held) {
  std::int64_t bytes = 0;
  for (const WeightUse& use : step.weights) {
    const ShardShape shard = shard_shape(p.config, p.torus, p.sizes, use);
    bytes += bytes_of(held(use), most_tile_rows(shard.rows, step.tiles), shard.columns) * p.torus.size(step.axes);
  }
  return 2 * bytes;
}

// Products read a copy of their input in the form of the weights, at most f32: one of each input that is multiplied at a
// time, kept for the largest.
std::int64_t converted_bytes(const Program& p) {
  std::array<std::int64_t, 2> most{};
  for (const Step& step : p.steps) {
    if (!multiplies(step.op)) continue;
    const auto inputs = step.op == Op::gather_matmul ? moved_to(step) : std::span(step.in);
    check(inputs.size() <= most.size(), "at most two products are added");
    for (std::size_t i = 0; i < inputs.size(); ++i) most[i] = std::max(most[i], p.local_elements(inputs[i]));
  }
  return (most[0] + most[1]) * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

Memory memory(const Program& p, const std::function<DType(const WeightUse&)>& held, DType kv, std::int64_t sequences,
              std::int64_t context) {
  Memory m;
  for (const WeightUse& use : stored_weights(p.config, p.layout))
    m.weights += weight_bytes(p.config, p.torus, p.sizes, use, held(use));
  m.kv = kv_bytes(p.config, kv_cut(p.config, p.torus, p.layout, sequences), kv, context);
  m.activations = plan_buffers(p).elements * engine_activation_bytes + converted_bytes(p);
  if (p.result >= 0) m.results = p.local_elements(p.result) * engine_activation_bytes;
  for (const Step& step : p.steps) {
    if (step.op == Op::gather_weights) {
      m.gathered = std::max(m.gathered, gathered_bytes(p, step, held));
    } else if (communicates(step.op)) {  // all blocks, and what is received while it is added
      const Schedule schedule = schedule_of(collective_of(step.op), step.schedule, p.torus, step.axes, Coord{});
      const std::int64_t elements = block_elements(p, step, schedule) * schedule.blocks;
      m.staging = std::max(m.staging, 2 * elements * engine_activation_bytes);
    }
  }
  return m;
}

}  // namespace tsrun
