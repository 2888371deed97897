#include "tsrun/engine/engine.hpp"

#include <algorithm>
#include <bit>
#include <chrono>

#include "tsrun/core/text.hpp"
#include "tsrun/engine/host_memory.hpp"

namespace tsrun {
namespace {

// The library, its buffers and the program itself, beside what the plan holds.
constexpr std::int64_t process_overhead = 64 << 20;

Program largest_pass(const ModelConfig& config, const Plan& plan, Phase phase) {
  const std::int64_t L = phase == Phase::decode ? 1 : std::min(plan.chunk, plan.context);
  const std::int64_t B = phase == Phase::decode ? plan.sequences : std::clamp<std::int64_t>(plan.pass_tokens / L, 1, plan.sequences);
  return lower(config, plan.torus, phase == Phase::decode ? plan.decode : plan.prefill,
               PassShape::uniform(phase, B, L, plan.context - L, plan.widest));
}

void refuse_impossible(const ModelFile& file, const Plan& plan) {
  if (plan.prefill.stored_E != plan.decode.stored_E && plan.torus.X > 1) {
    Layout shared = plan.prefill;
    shared.stored_E = plan.decode.stored_E;
    refuse({.what = text("prefill in ", ffn_name(plan.prefill), " and decode in ", ffn_name(plan.decode), " need two copies of the weights"),
            .where = "--layout",
            .next = text("the nearest pair that shares one is prefill=", to_text(shared), ",decode=", to_text(plan.decode))});
  }
  constexpr std::int64_t most_sequences = 65536;
  if (plan.sequences < 1 || plan.sequences > most_sequences)
    refuse({.what = "the number of sequences decoded together is out of range",
            .where = "--batch",
            .numbers = {{"asked", plan.sequences}, {"most", most_sequences}},
            .next = "lower --batch; prompts beyond it wait for a slot"});
  if (plan.context < 1 || plan.context > file.config().context)
    refuse({.what = "the context is not one that the model has",
            .where = file.path(),
            .numbers = {{"asked", plan.context}, {"the model's", file.config().context}},
            .next = "shorten the prompts, or lower -n or --ctx-size"});
}

void give_up_if_too_large(const Memory& memory, const Mesh& mesh) {
  const std::int64_t each = memory.peak() + process_overhead, together = each * mesh.ranks_on_host();
  const std::int64_t available = available_memory();
  std::optional<Error> mine;
  if (available >= 0 && together > available)
    mine = Error(Exit::goal, {.what = "not enough memory on " + host_name(),
                              .where = "memory",
                              .numbers = {{"needed by each rank", human_bytes(static_cast<double>(each))},
                                          {"ranks on this host", std::int64_t{mesh.ranks_on_host()}},
                                          {"needed together", human_bytes(static_cast<double>(together))},
                                          {"available", human_bytes(static_cast<double>(available))},
                                          {"weights of a rank", human_bytes(static_cast<double>(memory.weights))},
                                          {"cache of a rank", human_bytes(static_cast<double>(memory.kv))}},
                              .next = "use more hosts, a smaller --ctx-size or --batch, or --dtype bf16"});
  mesh.agree(mine, "planning memory");
}

// Every rank must be about to do the same: a digest of the plan that differs stops the job before weights are read.
void refuse_disagreement(const std::string& plan, const Mesh& mesh) {
  std::uint64_t digest = 14695981039346656037ULL;
  for (const char c : plan) digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  const auto mine = std::bit_cast<std::int64_t>(digest >> 1);
  if (mesh.max({mine})[0] == -mesh.max({-mine})[0]) return;
  const std::string first = mesh.broadcast(plan);
  std::optional<Error> error;
  if (first != plan)
    error = Error(Exit::broke, {.what = text("this rank's plan differs from that of rank 0: ", plan, " against ", first),
                                .where = host_name(), .next = "start every rank with the same options and the same file"});
  mesh.agree(error, "comparing plans");
}

}  // namespace

std::string to_text(const Plan& p) {
  return text("mesh ", to_text(p.torus), ", prefill ", to_text(p.prefill), ", decode ", to_text(p.decode), ", weights ",
              p.weights ? name(*p.weights) : "as stored", ", kv ", name(p.kv), ", sequences ", p.sequences, ", context ",
              p.context, ", chunk ", p.chunk, ", pass tokens ", p.pass_tokens);
}

Memory predict_memory(const ModelFile& file, const Plan& plan) {
  const auto held = [&](const WeightUse& use) { return held_type(file.tensor(use.weight, use.layer).type, plan.weights); };
  Memory most;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const Memory m = memory(largest_pass(file.config(), plan, phase), held, plan.kv, plan.sequences, plan.context);
    if (m.peak() > most.peak()) most = m;
  }
  return most;
}

Engine::Engine(const ModelFile& file, const Plan& plan, const Mesh& mesh) : config_(file.config()), plan_(plan), mesh_(mesh) {
  refuse_impossible(file, plan);
  refuse_disagreement(text(to_text(plan), ", model ", config_.name, " of ", config_.parameters(), " parameters"), mesh);
  memory_ = predict_memory(file, plan);
  give_up_if_too_large(memory_, mesh);
  mesh.together("loading the model", [&] { load(file); });
  executor_ = std::make_unique<Executor>(mesh_, config_, *weights_, cache_);
}

void Engine::load(const ModelFile& file) {
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t before = file.bytes_read();
  weights_ = std::make_unique<Weights>(file, plan_.torus, mesh_.coord(), plan_.prefill, plan_.weights);
  load_bytes_ = file.bytes_read() - before;
  const int slots = largest_pass(config_, plan_, Phase::decode).kv_slots;
  for (std::int64_t layer = 0; layer < config_.layers; ++layer)
    cache_.emplace_back(plan_.kv, plan_.sequences, slots, plan_.context, config_.Q);
  load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

const PreparedProgram& Engine::program_for(Phase phase, std::span<const PassInput> rows, Output output) {
  PassShape shape{phase, {}, output};
  for (const PassInput& row : rows) shape.rows.push_back({std::ssize(row.tokens), row.context});
  const auto key = std::tuple(phase, shape.B(), shape.L(), output);
  auto found = programs_.find(key);
  if (found == programs_.end()) {
    if (programs_.size() > 64) programs_.clear();  // ragged prompts leave many shapes behind
    found = programs_.emplace(key, executor_->prepare(lower(config_, plan_.torus, phase == Phase::decode ? plan_.decode : plan_.prefill, shape))).first;
  }
  return found->second;
}

PassResult Engine::forward(Phase phase, std::span<const PassInput> rows, Output output) {
  for (const PassInput& row : rows) {
    check(row.sequence >= 0 && row.sequence < plan_.sequences, "a sequence has a slot of the cache");
    check(row.context + std::ssize(row.tokens) <= plan_.context, "a sequence stays inside its context");
  }
  const PreparedProgram& ready = program_for(phase, rows, output);
  const float* const result = executor_->run(ready, rows);
  PassResult out;
  const Program& p = ready.program;
  if (output == Output::greedy)
    for (std::int64_t b = 0; b < p.shape.B(); ++b) out.ids.push_back(std::bit_cast<std::int32_t>(result[b]));
  if (output == Output::score) out.log_probabilities.assign(result, result + p.local_elements(p.result));
  if (output == Output::logits || output == Output::all_logits)
    for (std::int64_t r = 0; r < p.local_elements(p.result) / p.sizes.V; ++r)  // without the padding of the vocabulary
      out.logits.insert(out.logits.end(), result + r * p.sizes.V, result + r * p.sizes.V + config_.V);
  return out;
}

}  // namespace tsrun
