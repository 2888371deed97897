#include "tsrun/engine/executor.hpp"

#include <algorithm>
#include <chrono>

#include "local_steps.hpp"
#include "tsrun/cost/traffic.hpp"
#include "tsrun/program/explain.hpp"

namespace tsrun {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// A value of a collective as rows of blocks: what is before the moved dimension, and one block of it with all after it.
Strided strided(const Program& p, const Step& step, std::size_t i, float* arena, const Buffers& buffers) {
  const ValueId in = step.in[i], out = step.out[i];
  Strided s{1, 1, arena + buffers.offset[static_cast<std::size_t>(in)], arena + buffers.offset[static_cast<std::size_t>(out)]};
  if (step.op == Op::all_reduce) {
    s.width = p.local_elements(in);
    return s;
  }
  const ValueId block = step.op == Op::all_gather ? in : out;
  const int moved = p.value(block).partition.find(step.dims[i]);
  for (int d = 0; d < p.value(block).partition.dims(); ++d) (d < moved ? s.outer : s.width) *= p.local_size(block, d);
  return s;
}

}  // namespace

Executor::Executor(const Mesh& mesh, const ModelConfig& config, const Weights& weights, std::vector<KvLayer>& cache)
    : mesh_(mesh), config_(config), weights_(weights), cache_(cache), collectives_(mesh), rotary_(config) {}

std::int32_t Executor::traffic_row(Phase phase, const Step& step, const std::string& tensor, Axis axis, Direction direction) {
  for (std::size_t i = 0; i < traffic_.size(); ++i) {
    const TrafficRow& row = traffic_[i];
    if (row.phase == phase && row.step == name(step.op) && row.tensor == tensor && row.axis == axis && row.direction == direction)
      return static_cast<std::int32_t>(i);
  }
  traffic_.push_back({phase, std::string(name(step.op)), tensor, axis, direction});
  return static_cast<std::int32_t>(traffic_.size() - 1);
}

const Executor::Links& Executor::links_of(const Program& p, const Step& step) {
  const auto [found, is_new] = links_.try_emplace({step.op, step.schedule, to_text(step.axes)});
  if (is_new) found->second = used_links(step.op, step.schedule, p.torus, step.axes);
  return found->second;
}

PreparedProgram Executor::prepare(Program program) {
  PreparedProgram ready{std::move(program), {}, {}, {}, {}};
  const Program& p = ready.program;
  ready.buffers = plan_buffers(p);
  for (const Step& step : p.steps) {
    if (step.op == Op::attend) {
      const Range heads = shard(p.torus, p.value(step.in[0]).partition.axes(Dim::H), mesh_.coord(), p.sizes.heads.padded());
      ready.slots = kv_slots(p.sizes.heads, heads);
      ready.slot_of.clear();
      for (std::int64_t h = heads.begin; h < heads.end; ++h) {
        const int kv = p.sizes.heads.kv[static_cast<std::size_t>(h)];
        ready.slot_of.push_back(static_cast<int>(std::find(ready.slots.begin(), ready.slots.end(), kv) - ready.slots.begin()));
      }
    }
    if (!is_collective(step.op)) continue;
    PreparedProgram::Collective c{schedule_of(step.op, step.schedule, p.torus, step.axes, mesh_.coord())};
    for (auto& directions : c.row) directions.fill(-1);
    for (const auto& [axis, direction] : links_of(p, step))
      c.row[static_cast<std::size_t>(axis)][static_cast<std::size_t>(direction)] =
          traffic_row(p.shape.phase, step, written(p, step), axis, direction);
    for (const LinkBytes& link : sent_bytes(c.schedule, block_elements(p, step, c.schedule) * activation_bytes))
      c.predicted[static_cast<std::size_t>(link.axis)][static_cast<std::size_t>(link.direction)] = {link.messages, link.bytes};
    ready.collectives.push_back(std::move(c));
  }
  return ready;
}

const float* Executor::run(const PreparedProgram& ready, std::span<const PassInput> rows) {
  const Program& p = ready.program;
  check(static_cast<std::int64_t>(rows.size()) == p.shape.B(), "a pass brings as many sequences as its program expects");
  if (static_cast<std::int64_t>(arena_.size()) < ready.buffers.elements)
    arena_.resize(static_cast<std::size_t>(ready.buffers.elements));
  LocalSteps local(ready, mesh_.coord(), config_, weights_, cache_, rotary_, arena_.data(), rows);

  std::size_t next = 0;
  std::vector<Strided> tensors;
  for (const Step& step : p.steps) {
    const auto start = std::chrono::steady_clock::now();
    if (!is_collective(step.op)) {
      local.run(step);
      seconds_.compute += seconds_since(start);
      continue;
    }
    const PreparedProgram::Collective& c = ready.collectives[next++];
    tensors.clear();
    for (std::size_t i = 0; i < step.in.size(); ++i) tensors.push_back(strided(p, step, i, arena_.data(), ready.buffers));
    LinkCounts sent{};
    const double waited = collectives_.waited();
    collectives_.run(c.schedule, tensors, sent);
    for (std::size_t a = 0; a < c.row.size(); ++a)
      for (std::size_t d = 0; d < c.row[a].size(); ++d) {
        if (c.row[a][d] < 0) continue;
        TrafficRow& row = traffic_[static_cast<std::size_t>(c.row[a][d])];
        row.calls += 1;
        row.messages += sent[a][d].messages;
        row.bytes += sent[a][d].bytes;
        row.predicted_bytes += c.predicted[a][d].bytes;
      }
    const double waiting = collectives_.waited() - waited;
    seconds_.wait += waiting;
    seconds_.transfer += seconds_since(start) - waiting;
  }
  return p.result < 0 ? nullptr : arena_.data() + ready.buffers.offset[static_cast<std::size_t>(p.result)];
}

}  // namespace tsrun
