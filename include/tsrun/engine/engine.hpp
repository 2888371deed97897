// A model on a mesh: the weights at rest, the KV cache, and passes over them.
//
// The plan decides everything else: which program a pass is lowered to, what is held as what, how much memory that
// takes. Every rank makes the same calls with the same tokens; results are the same on every rank.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "tsrun/cost/memory.hpp"
#include "tsrun/engine/executor.hpp"
#include "tsrun/engine/kv_cache.hpp"
#include "tsrun/engine/load_window.hpp"
#include "tsrun/kernels/rows.hpp"
#include "tsrun/mesh/mesh.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun {

struct Plan {
  Torus torus;
  Layout prefill;
  Layout decode;                 // over the same stored weights
  std::optional<DType> weights;  // asked for (held_type); nothing: as stored
  DType kv = DType::bf16;
  Schedules schedules;
  std::int64_t sequences = 1;       // that have a place in the cache: slots
  std::int64_t context = 0;         // positions of each, shared ones included
  std::int64_t prefix = 0;          // first positions that all sequences share: computed and kept once
  std::int64_t chunk = 512;         // new tokens of a sequence in one prefill pass, at most
  std::int64_t pass_tokens = 2048;  // of all sequences together, at most (a single chunk may exceed it)
  // Sequences of a prefill pass that takes L new tokens of each, at most. What is priced, what is held and what is run
  // all ask here.
  std::int64_t prefill_rows(std::int64_t L) const {
    return std::clamp<std::int64_t>(pass_tokens / std::max<std::int64_t>(1, L), 1, sequences);
  }
  Output widest = Output::logits;  // the output that takes the most memory of those that will be asked for
  std::int64_t candidates = 0;     // where that is Output::candidates: how many of each chip
};
std::string to_text(const Plan& plan);

// What a rank of this plan will hold on this host, the most of its ranks, before anything is allocated.
Memory predict_memory(const ModelFile& file, const Plan& plan, const HostRanks& host);

struct PassResult {
  std::vector<std::int32_t> ids;         // greedy: one a row
  std::vector<float> logits;             // logits: [row][V]; all_logits: [row][L][V]
  std::vector<Best> candidates;          // candidates: [row][all chips' real ones, alike in number in every row]
  std::vector<float> log_probabilities;  // score: [row][L]
};

class Engine {
 public:
  // Loads this rank's shard. Refuses a plan that is impossible, and gives up (exit 3) before allocating where the
  // ranks of a host would need more memory than it has. All ranks throw alike.
  Engine(const ModelFile& file, const Plan& plan, const Mesh& mesh, const LoadProgress& progress = {});

  // The tokens of the plan's prefix, before anything else; every row's context then begins behind them.
  void share_prefix(std::span<const std::int32_t> tokens);
  bool prefix_is_shared() const { return cache_->shared() == plan_.prefix; }
  // `sequence` of a row is its slot, 0 to sequences - 1. Results are in the order of the rows.
  // `candidates`: for Output::candidates, how many of each chip.
  PassResult forward(Phase phase, std::span<const PassInput> rows, Output output, std::int64_t candidates = 0);

  // Sequences that a prefill pass may have.
  std::int64_t most_prefill_rows() const { return prefill_cache_ ? plan_.prefill_rows(plan_.chunk) : plan_.sequences; }
  const ModelConfig& config() const { return config_; }
  const Plan& plan() const { return plan_; }
  const Memory& memory() const { return memory_; }
  const std::vector<TrafficRow>& traffic() const { return executor_->traffic(); }
  const Seconds& seconds() const { return executor_->seconds(); }
  // The pass of the phase that brought the most tokens so far; of those, the one with the most to give. Null: none was
  // run.
  const PassShape* widest_pass(Phase phase) const;
  double load_seconds() const { return load_seconds_; }
  std::int64_t load_bytes() const { return load_bytes_; }
  std::int64_t bytes_of_products() const { return weights_->bytes_of_products(); }
  // Of all sequences together, in the cut of decode.
  std::int64_t cache_bytes_per_position() const { return cache_->bytes() / (plan_.context - plan_.prefix); }
  // What this rank really holds, to be held against what memory() predicts.
  std::int64_t weight_bytes() const { return weights_->bytes(); }
  std::int64_t cache_bytes() const { return cache_->bytes() + (prefill_cache_ ? prefill_cache_->bytes() : 0); }
  std::int64_t prefix_bytes() const {
    return cache_->shared_bytes() + (prefill_cache_ ? prefill_cache_->shared_bytes() : 0);
  }
  DType held(const WeightUse& use) const { return weights_->matrix(use).type; }

 private:
  // Where prefill cuts attention in another way than decode it has a cache of its own, of only as many sequences as a
  // prefill pass has. A sequence is there while its prompt is computed and moves to the decode's cut with its first
  // decode step, or earlier where another needs its place.
  struct PrefillSlot {
    std::int64_t sequence = -1;  // its slot in the cache of decode; -1: free
    std::int64_t filled = 0;     // positions
    std::int64_t last_pass = 0;  // in which it was used
  };
  const PreparedProgram& program_for(Phase phase, const PassShape& shape);
  PassResult pass(Phase phase, std::span<const PassInput> rows, const std::vector<std::int64_t>& places, KvCache& cache,
                  Output output, std::int64_t candidates);
  void load(const ModelFile& file, const HostRanks& host, const LoadProgress& progress);
  void make_caches();
  KvCache& cache_for(Phase phase, std::span<const PassInput> rows, std::vector<std::int64_t>& places);
  std::int64_t prefill_slot_for(const PassInput& row);
  void move_to_decode_cut(const std::vector<std::int64_t>& slots);

  ModelConfig config_;
  Plan plan_;
  const Mesh& mesh_;
  Memory memory_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<KvCache> cache_;          // in the cut of decode
  std::unique_ptr<KvCache> prefill_cache_;  // in that of prefill, where it is another
  std::vector<PrefillSlot> prefill_slots_;  // of that
  std::int64_t pass_ = 0;
  std::unique_ptr<Executor> executor_;
  // By phase, B, L, output and the number of candidates.
  std::map<std::tuple<Phase, std::int64_t, std::int64_t, Output, std::int64_t>, PreparedProgram> programs_;
  std::map<Phase, PassShape> widest_;
  double load_seconds_ = 0;
  std::int64_t load_bytes_ = 0;
};

}  // namespace tsrun
