// Runs a program: one step after the other, on this chip's shards.
//
// The executor knows what each kind of step does to numbers; in what order, over which axes and on which partitions is
// the program's business.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tsrun/collectives/collectives.hpp"
#include "tsrun/engine/kv_cache.hpp"
#include "tsrun/engine/weight_gather.hpp"
#include "tsrun/engine/weights.hpp"
#include "tsrun/kernels/pages.hpp"
#include "tsrun/kernels/product.hpp"
#include "tsrun/kernels/rotary.hpp"
#include "tsrun/kernels/team.hpp"
#include "tsrun/program/buffers.hpp"
#include "tsrun/program/program.hpp"

namespace tsrun {

// One row of a pass with its numbers; without tokens it is empty.
struct PassInput {
  std::int64_t sequence = 0;                // Engine::forward: its number, a slot; Executor::run: its row of the cache
  std::int64_t context = 0;                 // tokens of it that are already there
  std::span<const std::int32_t> tokens;     // new ones
  std::span<const std::int32_t> targets{};  // Output::score: the token after each of them
};

// Bytes of one kind of step over one link direction, all calls together. Every rank has the same rows in the same
// order, also those of links over which only others send.
struct TrafficRow {
  Phase phase = Phase::prefill;
  std::string step;    // "all_gather"
  std::string tensor;  // "q k v"
  Axis axis = Axis::x;
  Direction direction = Direction::plus;
  std::int64_t calls = 0;
  std::int64_t messages = 0;
  std::int64_t bytes = 0;            // really sent by this rank
  std::int64_t predicted_bytes = 0;  // read from the program's schedules
};

struct Seconds {
  double compute = 0;
  double transfer = 0;  // packing, posting, adding
  double wait = 0;      // for messages
};

// A program made ready: where its values lie, how its collectives walk, which counters they feed.
struct PreparedProgram {
  Program program;
  Buffers buffers;
  struct Collective {
    Schedule schedule;
    ByLink<std::optional<std::size_t>> row{};  // of the traffic; nothing where no chip sends
    LinkCounts predicted{};                    // of one call
    std::int64_t block_width = 0;  // not 0: what a product meets lies as it moves, blocks of so many columns
  };
  std::vector<Collective> collectives;  // of the steps that communicate, in order
  std::vector<int> slot_of;             // query head of this chip -> slot of the cache
  std::vector<NextReads> reads_next;  // of each product: the weights of the next; empty of other steps
};

// Angles of layers that see everything and of those that see a window.
struct Rotaries {
  explicit Rotaries(const ModelConfig& config) : global(config, false), local(config, true) {}
  Rotary global, local;
};

// What is multiplied at a time: one input of a step, or two whose products are added.
using Factors = std::array<Activations, 2>;

class LocalSteps;

class Executor {
 public:
  Executor(const Mesh& mesh, const ModelConfig& config, const Weights& weights);

  PreparedProgram prepare(Program program);
  // `rows`: as many as the program's padded B. The result stays valid until the next run: program.result's local
  // elements.
  const float* run(const PreparedProgram& prepared, std::span<const PassInput> rows, KvCache& cache);
  // Moves heads of sequences from one cache to one of another cut, and counts what that sends in the phase.
  void move(Phase phase, const KvCache& before, KvCache& after, const KvMoves& moves);

  const std::vector<TrafficRow>& traffic() const { return traffic_; }
  const Seconds& seconds() const { return seconds_; }

 private:
  using Links = std::vector<std::pair<Axis, Direction>>;
  const Links& links_of(const Program& program, const Step& step);
  std::size_t traffic_row(Phase phase, std::string_view step, const std::string& tensor, Axis axis,
                          Direction direction);
  std::vector<NextReads> prepare_reads(const Program& program) const;
  PreparedProgram::Collective prepare_collective(const Program& program, const Step& step);
  void communicate(const PreparedProgram& ready, const Step& step, const PreparedProgram::Collective& c,
                   LocalSteps& local);
  void move_values(const PreparedProgram& ready, const Step& step, const PreparedProgram::Collective& c,
                   LinkCounts& sent);
  void count(const PreparedProgram::Collective& c, const LinkCounts& sent);

  const Mesh& mesh_;
  const ModelConfig& config_;
  const Weights& weights_;
  Collectives collectives_;
  WeightGather gather_;
  std::vector<Strided> tensors_;  // of the collective at work
  Rotaries rotary_;
  Factors factors_;
  Pages arena_memory_;
  float* arena_ = nullptr;  // the values of the program at work
  std::vector<TrafficRow> traffic_;
  std::map<std::tuple<Op, ScheduleName, std::string>, Links> links_;  // by kind of collective and group
  Seconds seconds_;
};

}  // namespace tsrun
