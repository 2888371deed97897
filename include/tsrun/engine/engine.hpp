// A model on a mesh: the weights at rest, the KV cache, and passes over them.
//
// The plan decides everything else: which program a pass is lowered to, what is held as what, how much memory that
// takes. Every rank makes the same calls with the same tokens; results are the same on every rank.
#pragma once

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
#include "tsrun/mesh/mesh.hpp"
#include "tsrun/program/lower.hpp"
#include "tsrun/store/model_file.hpp"

namespace tsrun {

struct Plan {
  Torus torus;
  Layout prefill;
  Layout decode;                    // over the same stored weights
  std::optional<DType> weights;     // held as; nothing: as stored
  DType kv = DType::bf16;
  std::int64_t sequences = 1;       // slots of the cache
  std::int64_t context = 0;         // positions of each
  std::int64_t chunk = 512;         // new tokens of a sequence in one prefill pass, at most
  std::int64_t pass_tokens = 2048;  // of all sequences together, at most (a single chunk may exceed it)
  Output widest = Output::logits;   // the output that takes the most memory of those that will be asked for
};
std::string to_text(const Plan& plan);

// What a rank of this plan will hold, before anything is allocated.
Memory predict_memory(const ModelFile& file, const Plan& plan);

struct PassResult {
  std::vector<std::int32_t> ids;        // greedy: one a row
  std::vector<float> logits;            // logits: [row][V]; all_logits: [row][L][V]
  std::vector<float> log_probabilities; // score: [row][L]
};

class Engine {
 public:
  // Loads this rank's shard. Refuses a plan that is impossible, and gives up (exit 3) before allocating where the
  // ranks of a host would need more memory than it has. All ranks throw alike.
  Engine(const ModelFile& file, const Plan& plan, const Mesh& mesh);

  PassResult forward(Phase phase, std::span<const PassInput> rows, Output output);

  const ModelConfig& config() const { return config_; }
  const Plan& plan() const { return plan_; }
  const Memory& memory() const { return memory_; }
  const std::vector<TrafficRow>& traffic() const { return executor_->traffic(); }
  const Seconds& seconds() const { return executor_->seconds(); }
  double load_seconds() const { return load_seconds_; }
  std::int64_t load_bytes() const { return load_bytes_; }
  std::int64_t weight_bytes() const { return weights_->bytes(); }

 private:
  const PreparedProgram& program_for(Phase phase, std::span<const PassInput> rows, Output output);
  void load(const ModelFile& file);

  ModelConfig config_;
  Plan plan_;
  const Mesh& mesh_;
  Memory memory_;
  std::unique_ptr<Weights> weights_;
  std::vector<KvLayer> cache_;  // by layer
  std::unique_ptr<Executor> executor_;
  std::map<std::tuple<Phase, std::int64_t, std::int64_t, Output>, PreparedProgram> programs_;  // by phase, B, L, output
  double load_seconds_ = 0;
  std::int64_t load_bytes_ = 0;
};

}  // namespace tsrun
