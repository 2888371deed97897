// A program: the list of steps that one chip takes for one forward pass.
//
// Every chip takes the same steps on its own shard. A step reads values and writes values; a value has a partition
// and padded global sizes, so everything else follows: local shapes, FLOPs, bytes, what moves and what it costs. The
// engine runs it, `cost` prices it, `explain` prints it; none of them knows a layer by heart.
//
// Lowered from model x torus x layout x shape by pure code (lower.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tsrun/core/integer.hpp"
#include "tsrun/layout/layout.hpp"
#include "tsrun/layout/partition.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/model/heads.hpp"
#include "tsrun/model/tensors.hpp"

namespace tsrun {

// Their order counts: the predicates below ask up to which op.
enum class Op : std::uint8_t {
  // Communication.
  all_gather,
  reduce_scatter,
  all_reduce,
  all_to_all,
  // A product with the communication beside it, which an engine may overlap.
  gather_matmul,   // all_gather, then matmul
  matmul_scatter,  // matmul, then reduce_scatter
  gather_weights,  // matmul with weights whose blocks are gathered tile by tile; the whole never exists
  // Local. Those marked "in place" write the value that they read.
  embed,           // ids -> rows of the table that are mine, else 0; and of that of the positions
  sum,             // x BLE -> BLT: sum of each row over the E that is mine
  sum_squares,     // x BLE -> BLT
  center,          // x, sum: x - mean; padding stays 0
  norm,            // x, sum of squares: x / sqrt(mean square + epsilon) * scale (+ bias); in place, or not
  slice,           // my part of a replicated dimension
  matmul,          // one input: times each weight, one output each; several: each times its weight, one output, the sum
  bias,            // in place
  head_norm,       // each query head / its root mean square * scale, in place
  rotary,          // query heads, in place
  store_kv,        // k, v -> this chip's slots of the cache; keys are normed and rotated here, where heads are whole
  attend,          // q and the cache -> the heads' outputs
  activate,        // (gate,) in -> act(gate) * in, or act(in), in place of the last
  add,             // x += y for each further input, in place
  pick,            // the last new token of each sequence
  scale,           // times logit_scale, in place
  best,            // this chip's best (logit, id) of each row
  choose,          // the best of all chips' -> id
  likeliest,       // this chip's likeliest (logit, id) of each row, several of them
  softmax_stats,   // this chip's (maximum, sum of exponentials, target logit) of each row
  log_probability  // of the target, from all chips' statistics
};

std::string_view name(Op op);
constexpr bool is_collective(Op op) { return op <= Op::all_to_all; }
constexpr bool communicates(Op op) { return op <= Op::gather_weights; }
constexpr bool multiplies(Op op) { return op == Op::matmul || (communicates(op) && !is_collective(op)); }

// How a collective walks; which kinds of collective each serves is said in schedule.hpp. Rings come first, and the last
// is named below.
enum class ScheduleName : std::uint8_t {
  ring,       // one way around each axis, axis after axis, minor first
  two_way,    // rings both ways, half of every block each
  balanced,   // whole blocks both ways; the opposite block of an even ring in two halves
  latency,    // whole blocks both ways, half the rounds of a ring
  rotated,    // a part of every block for each axis to begin with, so that all axes' links work at once
  line,       // all_reduce: up each axis adding, and back
  one_shot,   // every chip to every other at once
  doubling,   // with the chip 1, 2, 4 .. further
  direct,     // axis after axis; within one, from each chip straight to each, addends added in the order of the chips
  hop_by_hop  // all_to_all: axis after axis, every block forwarded by the chips between
};
std::string_view name(ScheduleName schedule);
inline constexpr ScheduleName last_schedule = ScheduleName::hop_by_hop;
constexpr bool is_ring(ScheduleName s) { return s <= ScheduleName::rotated; }

// The schedule of each kind of collective. A ring adds each block in another order; sums whose blocks are tokens take
// a schedule that adds in the order of the chips, so that a token's bits do not depend on its place in the pass.
struct Schedules {
  ScheduleName all_gather = ScheduleName::ring;
  ScheduleName reduce_scatter = ScheduleName::ring;
  ScheduleName reduce_scatter_tokens = ScheduleName::direct;
  ScheduleName all_reduce = ScheduleName::line;
  ScheduleName all_to_all = ScheduleName::direct;
  ScheduleName gather_weights = ScheduleName::ring;
  friend bool operator==(const Schedules&, const Schedules&) = default;
};

using ValueId = std::int32_t;

struct Value {
  std::string name;  // "x", "q", "hidden"
  Partition partition;
  std::array<std::int64_t, Partition::max_dims> size{};  // padded global sizes, in the partition's order
  ValueId storage = -1;  // the value whose memory it shares: itself, unless a step moved nothing
};

struct WeightUse {
  Weight weight = Weight::embed;
  int layer = -1;
  Partition partition;  // in the paper's order, input first: "E_xF_zy"; a vector is whole: "E"
};

struct Step {
  Op op = Op::add;
  int layer = -1;  // -1 outside the layers
  std::vector<ValueId> in;
  std::vector<ValueId> out;
  std::vector<WeightUse> weights;
  // Communication: the group, as the axes stand on the gathered or scattered dimension, major to minor (all_reduce: the
  // order in which its blocks are numbered; all_to_all: as they are pushed on `to`), and that dimension of each value.
  AxisStack axes;
  std::vector<Dim> dims;
  std::vector<Dim> to;  // all_to_all: the dimension that is cut afterwards; `dims` is the one that was
  // Values that live only inside a step that multiplies: the gathered inputs (gather_matmul), the products before they
  // are scattered (matmul_scatter), and, where the products of several inputs are added, one of them.
  std::vector<ValueId> via;
  int tiles = 1;  // gather_weights: in how many parts, so that the whole gathered weights never exist
  ScheduleName schedule = ScheduleName::ring;
};

// The part of a pass that a sequence has, or several side by side that are alike.
struct PassRow {
  std::int64_t new_tokens = 0;  // 0: an empty slot, or nothing to do in this pass
  std::int64_t context = 0;     // tokens already in the cache
  std::int64_t sequences = 1;
};

enum class Phase : std::uint8_t { prefill, decode };
std::string_view name(Phase phase);

// What a pass is asked for.
enum class Output : std::uint8_t {
  none,        // only the cache: a chunk of a prompt that goes on
  greedy,      // the id of the largest logit after each sequence's last new token
  candidates,  // each chip's likeliest (logit, id) after each sequence's last new token, on every chip
  logits,      // all logits after each sequence's last new token, on every chip
  all_logits,  // all logits after every new token, on every chip
  score        // log-probability of a given next token after every new token
};

struct PassShape {
  Phase phase = Phase::prefill;
  std::vector<PassRow> rows;
  Output output = Output::greedy;
  std::int64_t candidates = 0;  // Output::candidates: of each chip, or all that it has

  // `sequences` of `tokens` new tokens each on the same context.
  static PassShape uniform(Phase phase, std::int64_t sequences, std::int64_t tokens, std::int64_t context,
                           Output output, std::int64_t candidates = 0);
  std::int64_t B() const;  // sequences
  std::int64_t L() const;  // the most new tokens of a sequence, at least 1
};

// Dimensions padded so that every chip holds as much of them.
struct PaddedSizes {
  std::int64_t E = 0, F = 0, C = 0, V = 0, P = 0;
  HeadPlacement heads;
  std::int64_t of(Dim d, const ModelConfig& config) const;  // E F H C V P Q
};
PaddedSizes pad(const ModelConfig& config, const Torus& torus, const Layout& layout);

// A chip's part of a weight as it lies in memory: rows of outputs, columns of inputs; of a vector one row.
struct ShardShape {
  std::int64_t rows = 1;
  std::int64_t columns = 1;
  std::int64_t elements() const { return rows * columns; }
};
ShardShape shard_shape(const ModelConfig& config, const Torus& torus, const PaddedSizes& sizes, const WeightUse& use);

struct Program {
  ModelConfig config;
  Torus torus;
  Layout layout;
  PassShape shape;
  PaddedSizes sizes;
  std::int64_t B = 1;  // sequences and new tokens of each, padded to their cuts
  std::int64_t L = 1;
  int kv_slots = 1;    // J: key/value heads that a chip holds, the most of any chip
  Partition kv_cache;  // BJSQ, B cut as attention cuts it
  std::vector<Value> values;
  std::vector<Step> steps;
  ValueId result = -1;  // greedy: ids "B"; candidates: "BV" in pairs; logits: "BV", "BLV"; score: "BL"; -1 for none

  const Value& value(ValueId id) const { return values[static_cast<std::size_t>(id)]; }
  std::int64_t local_size(ValueId id, int dim) const;  // of one dimension on a chip
  std::int64_t local_elements(ValueId id) const;       // on a chip
};

// Every weight of the model with its stored partition under the layout, in file order. The embedding serves as the
// unembedding where they are tied.
std::vector<WeightUse> stored_weights(const ModelConfig& config, const Layout& layout);

// The movement of a step that communicates: gather_matmul is an all_gather of `in` to the first of `via`,
// matmul_scatter a reduce_scatter of the first of `via` to `out`, gather_weights an all_gather of its weights.
Op collective_of(Op op);
std::span<const ValueId> moved_from(const Step& step);
std::span<const ValueId> moved_to(const Step& step);

// Rows of a weight's shard that are in this tile, in whole panels of so many as products read together.
inline constexpr std::int64_t rows_together = 16;
constexpr Range tile_rows(std::int64_t rows, int tiles, int tile) {
  const std::int64_t panels = ceil_div(rows, rows_together);
  const auto edge = [&](std::int64_t t) { return std::min(rows, panels * t / tiles * rows_together); };
  return {edge(tile), edge(tile + 1)};
}
constexpr std::int64_t most_tile_rows(std::int64_t rows, int tiles) {
  return std::min(rows, ceil_div(ceil_div(rows, rows_together), tiles) * rows_together);
}

}  // namespace tsrun
