#include "tsrun/engine/executor.hpp"

#include <algorithm>
#include <chrono>
#include <climits>

#include "local_steps.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/cost/traffic.hpp"
#include "tsrun/engine/kv_mover.hpp"
#include "tsrun/kernels/team.hpp"
#include "tsrun/program/explain.hpp"

namespace tsrun {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Elements of a value's local shape before a dimension, and from it on.
struct Split {
  std::int64_t outer = 1, rest = 1;
};
Split split_at(const Program& p, ValueId v, Dim d) {
  Split s;
  const int at = p.value(v).partition.find(d);
  for (int i = 0; i < p.value(v).partition.dims(); ++i) (i < at ? s.outer : s.rest) *= p.local_size(v, i);
  return s;
}

// What a product takes or makes is moved once more only if it must be: where a block of the one value that moves is whole
// columns, and wide enough for the kernels, blocks lie one after the other. Their width, or 0.
std::int64_t block_width(const Program& p, const Step& step) {
  if ((step.op != Op::gather_matmul && step.op != Op::matmul_scatter) || moved_from(step).size() != 1) return 0;
  const ValueId block = step.op == Op::gather_matmul ? step.in[0] : step.out[0];
  const Partition& partition = p.value(block).partition;
  const auto is_of_rows = [&](int d) { return partition[d].dim == Dim::B || partition[d].dim == Dim::L; };
  const int moved = partition.find(step.dims[0]);
  if (is_of_rows(moved) || !is_of_rows(moved - 1)) return 0;
  const std::int64_t width = split_at(p, block, step.dims[0]).rest;
  return width % block_width_unit == 0 ? width : 0;
}

// A value of a collective as rows of blocks: what is before the moved dimension, and one block of it with all after it. Of
// blocks that lie one after the other each is one row.
Strided strided(const Program& p, const Step& step, std::size_t i, std::int64_t block_width, float* arena,
                const Buffers& buffers) {
  const Op op = collective_of(step.op);
  const ValueId in = moved_from(step)[i], out = moved_to(step)[i];
  Strided s{1, 1, arena + buffers.offset[static_cast<std::size_t>(in)],
            arena + buffers.offset[static_cast<std::size_t>(out)]};
  s.spends_in = step.op == Op::matmul_scatter;  // its products are nobody else's
  const std::int64_t chips = p.torus.size(step.axes);
  if (op == Op::all_reduce) {
    s.width = p.local_elements(in);
  } else if (op == Op::all_to_all) {
    const Split cut = split_at(p, in, step.to[i]);
    s.outer = cut.outer;
    s.width = cut.rest / chips;
    s.joined_width = split_at(p, out, step.dims[i]).rest / chips;
  } else {
    const Split cut = split_at(p, op == Op::all_gather ? in : out, step.dims[i]);
    s.outer = block_width > 0 ? 1 : cut.outer;
    s.width = block_width > 0 ? cut.outer * cut.rest : cut.rest;
  }
  return s;
}

// MPI counts the bytes of a message by an int. Every rank asks the walk of the first chip, whose messages are as large as
// any, so that all refuse alike.
void refuse_large_messages(const Program& p, const Step& step, const Schedule& mine, std::int64_t block_bytes) {
  if (block_bytes * mine.blocks <= INT_MAX) return;
  const Schedule first = schedule_of(mine.collective, step.schedule, p.torus, step.axes, Coord{});
  const std::int64_t largest = largest_message(first, block_bytes);
  if (largest <= INT_MAX) return;
  const char* const option = p.shape.phase == Phase::prefill ? "--prefill-chunk" : "--batch";
  refuse({.what = text("a message of ", name(step.op), " of ", moved_names(p, step), " is larger than MPI can count"),
          .where = option,
          .numbers = {{"bytes", largest},
                      {"most", std::int64_t{INT_MAX}},
                      {"sequences of the pass", p.B},
                      {"tokens of each", p.L}},
          .next = text("lower ", option)});
}

}  // namespace

Executor::Executor(const Mesh& mesh, const ModelConfig& config, const Weights& weights)
    : mesh_(mesh),
      config_(config),
      weights_(weights),
      collectives_(mesh),
      gather_(mesh.torus(), collectives_),
      rotary_(config) {}

// --- before a program runs

std::size_t Executor::traffic_row(Phase phase, std::string_view step, const std::string& tensor, Axis axis,
                                  Direction direction) {
  for (std::size_t i = 0; i < traffic_.size(); ++i) {
    const TrafficRow& row = traffic_[i];
    if (row.phase == phase && row.step == step && row.tensor == tensor && row.axis == axis &&
        row.direction == direction)
      return i;
  }
  traffic_.push_back({phase, std::string(step), tensor, axis, direction});
  return traffic_.size() - 1;
}

const Executor::Links& Executor::links_of(const Program& p, const Step& step) {
  const Op collective = collective_of(step.op);
  const auto [found, is_new] = links_.try_emplace({collective, step.schedule, to_text(step.axes)});
  if (is_new) found->second = used_links(collective, step.schedule, p.torus, step.axes);
  return found->second;
}

PreparedProgram::Collective Executor::prepare_collective(const Program& p, const Step& step) {
  PreparedProgram::Collective c{schedule_of(collective_of(step.op), step.schedule, p.torus, step.axes, mesh_.coord())};
  const std::string tensors = moved_names(p, step);
  for (const auto& [axis, direction] : links_of(p, step))
    c.row.at(axis, direction) = traffic_row(p.shape.phase, name(step.op), tensors, axis, direction);
  c.block_width = block_width(p, step);
  if (step.op != Op::gather_weights) {
    const std::int64_t block_bytes = block_elements(p, step, c.schedule) * engine_activation_bytes;
    refuse_large_messages(p, step, c.schedule, block_bytes);
    c.predicted = sent_by(c.schedule, block_bytes);
    return c;
  }
  for (int tile = 0; tile < step.tiles; ++tile) {
    std::int64_t bytes = 0;
    for (const WeightUse& use : step.weights) bytes += tile_bytes(weights_.matrix(use), step.tiles, tile);
    sent_by(c.schedule, bytes).each(
        [&c](Axis a, Direction d, const LinkCount& link) { c.predicted.at(a, d).bytes += link.bytes; });
  }
  return c;
}

std::vector<NextReads> Executor::prepare_reads(const Program& p) const {
  std::vector<NextReads> reads(p.steps.size());
  NextReads next;
  for (int round = 0; round < 2; ++round)  // behind the last product comes the first of the next pass
    for (std::size_t i = p.steps.size(); i-- > 0;) {
      const Step& step = p.steps[i];
      if (!multiplies(step.op) || step.op == Op::gather_weights) continue;  // what is gathered does not lie here
      reads[i] = next;
      next.clear();
      const std::size_t together = step.in.size() == 1 ? step.weights.size() : 1;  // of each input its own, in turn
      for (std::size_t k = 0; k < together; ++k) {
        const PackedView w = weights_.matrix(step.weights[k]);
        next.emplace_back(w.data, static_cast<std::size_t>(bytes_of(w.type, w.rows, w.columns)));
      }
    }
  return reads;
}

PreparedProgram Executor::prepare(Program program) {
  PreparedProgram ready{std::move(program), {}, {}, {}, {}};
  const Program& p = ready.program;
  ready.buffers = plan_buffers(p);
  ready.reads_next = prepare_reads(p);
  for (const Step& step : p.steps) {
    if (step.op == Op::attend && ready.slot_of.empty()) {
      const Range heads =
          shard(p.torus, p.value(step.in[0]).partition.axes(Dim::H), mesh_.coord(), p.sizes.heads.padded());
      const std::vector<int> slots = kv_slots(p.sizes.heads, heads);
      for (std::int64_t h = heads.begin; h < heads.end; ++h)
        ready.slot_of.push_back(static_cast<int>(
            std::lower_bound(slots.begin(), slots.end(), p.sizes.heads.kv[static_cast<std::size_t>(h)]) -
            slots.begin()));
    }
    if (communicates(step.op)) ready.collectives.push_back(prepare_collective(p, step));
  }
  return ready;
}

// --- running it

const float* Executor::run(const PreparedProgram& ready, std::span<const PassInput> rows, KvCache& cache) {
  const Program& p = ready.program;
  check(static_cast<std::int64_t>(rows.size()) == p.B, "a pass brings as many rows as its program expects");
  arena_ = room<float>(arena_memory_, ready.buffers.elements);
  LocalSteps local(ready, mesh_.coord(), config_, weights_, cache, rotary_, factors_, arena_, rows);
  with_team([&] {
    std::size_t next = 0;
    for (std::size_t i = 0; i < p.steps.size(); ++i) {
      const Step& step = p.steps[i];
      if (!ready.reads_next[i].empty()) fetch_when_idle(ready.reads_next[i]);
      if (communicates(step.op)) {
        communicate(ready, step, ready.collectives[next++], local);
        continue;
      }
      const auto start = std::chrono::steady_clock::now();
      local.run(step);
      seconds_.compute += seconds_since(start);
    }
  });
  return p.result < 0 ? nullptr : arena_ + ready.buffers.offset[static_cast<std::size_t>(p.result)];
}

// A product and its movement, one after the other.
void Executor::communicate(const PreparedProgram& ready, const Step& step, const PreparedProgram::Collective& c,
                           LocalSteps& local) {
  const auto start = std::chrono::steady_clock::now();
  const double waited = collectives_.waited();
  double computed = 0;
  const auto computes = [&computed](const auto& work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    computed += seconds_since(begin);
  };
  LinkCounts sent;
  if (step.op == Op::gather_weights) {
    local.take_factors(step.in);
    for (int tile = 0; tile < step.tiles; ++tile) {
      gather_.gather(step, tile, c.schedule, weights_, sent);
      computes([&] {
        local.each_product(step, step.in, step.out,
                           [&](std::size_t i, Activations& x, float* y) { gather_.multiply(i, x, y); });
      });
    }
    computes([&] { local.add_products(step, step.in, step.out); });
  } else {
    if (step.op == Op::matmul_scatter)
      computes([&] { local.multiply(step, step.in, moved_from(step), {.out = c.block_width}); });
    move_values(ready, step, c, sent);
    if (step.op == Op::gather_matmul)
      computes([&] { local.multiply(step, moved_to(step), step.out, {.in = c.block_width}); });
  }
  count(c, sent);
  const double waiting = collectives_.waited() - waited;
  seconds_.compute += computed;
  seconds_.wait += waiting;
  seconds_.transfer += seconds_since(start) - waiting - computed;
}

void Executor::move_values(const PreparedProgram& ready, const Step& step, const PreparedProgram::Collective& c,
                           LinkCounts& sent) {
  tensors_.clear();
  for (std::size_t i = 0; i < moved_from(step).size(); ++i)
    tensors_.push_back(strided(ready.program, step, i, c.block_width, arena_, ready.buffers));
  collectives_.run(c.schedule, tensors_, sent);
}

void Executor::count(const PreparedProgram::Collective& c, const LinkCounts& sent) {
  c.row.each([&](Axis a, Direction d, std::optional<std::size_t> at) {
    if (!at) return;
    TrafficRow& row = traffic_[*at];
    row.calls += 1;
    row.messages += sent.at(a, d).messages;
    row.bytes += sent.at(a, d).bytes;
    row.predicted_bytes += c.predicted.at(a, d).bytes;
  });
}

void Executor::move(Phase phase, const KvCache& before, KvCache& after, const KvMoves& moves) {
  const auto start = std::chrono::steady_clock::now();
  PreparedProgram::Collective c;
  for (int rank = 0; rank < mesh_.size(); ++rank) {  // every rank has the rows of every link that some rank uses
    const LinkCounts sends = kv_sent_by(rank, before, moves);
    sends.each([&](Axis a, Direction d, const LinkCount& link) {
      if (link.messages > 0) c.row.at(a, d) = traffic_row(phase, "move_kv", "k v", a, d);
    });
    if (rank == mesh_.rank()) c.predicted = sends;
  }
  LinkCounts sent;
  const double waiting = move_kv(mesh_, before, after, moves, sent);
  count(c, sent);
  seconds_.wait += waiting;
  seconds_.transfer += seconds_since(start) - waiting;
}

}  // namespace tsrun
