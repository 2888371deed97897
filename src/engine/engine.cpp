#include "tsrun/engine/engine.hpp"

#include <omp.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "read_plan.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/engine/host_memory.hpp"
#include "tsrun/program/lower.hpp"

namespace tsrun {
namespace {

// What the libraries will still take beside what the plan holds.
constexpr std::int64_t library_reserve = 32 << 20;

Program largest_pass(const ModelConfig& config, const Plan& plan, Phase phase) {
  const std::int64_t L = phase == Phase::decode ? 1 : std::min(plan.chunk, plan.context);
  const std::int64_t B = phase == Phase::decode ? plan.sequences : plan.prefill_rows(L);
  return lower(config, plan.torus, phase == Phase::decode ? plan.decode : plan.prefill,
               PassShape::uniform(phase, B, L, plan.context - L, plan.widest, plan.candidates), plan.schedules);
}

// The plan with what the file's types ask of its layouts.
Plan with_groups(Plan plan, const ModelFile& file) {
  plan.prefill = with_groups(plan.prefill, file, plan.weights);
  plan.decode = with_groups(plan.decode, file, plan.weights);
  return plan;
}

// What all sequences of a cache share: one row, on every chip.
KvCut everywhere(KvCut cut) {
  cut.everywhere = true;
  cut.rows = 1;
  return cut;
}

// Slots are dealt out to the blocks of a cut in turn, so that a few sequences are spread over all chips.
std::int64_t place_of(const KvCut& cut, std::int64_t slot) {
  const std::int64_t blocks = cut.blocks();
  return slot % blocks * (cut.rows / blocks) + slot / blocks;
}

// Buffers for what can be under way between caches at once: all sequences of the prefill's to decode's, out of as few
// blocks of chips and into as few as can be; one of them back; or the prefix to every chip.
std::int64_t most_moving(const ModelConfig& config, const Plan& plan, const KvCut& prefill, const KvCut& decode) {
  std::int64_t most = 0;
  const auto through = [&](const KvMoves& moves) { most = std::max(most, moving_bytes(config, moves, plan.kv)); };
  const bool moves_rows = !prefill.same_cut(decode);
  if (moves_rows) {
    const std::int64_t positions = plan.context - plan.prefix;
    std::vector<RowMove> rows;
    for (std::int64_t i = 0; i < plan.prefill_rows(plan.chunk); ++i)
      rows.push_back({i, decode.rows - 1 - i, positions});
    through(plan_kv_movement(prefill, decode, rows));
    through(plan_kv_movement(decode, prefill, {{0, prefill.rows - 1, positions}}));
  }
  if (plan.prefix == 0) return most;
  const KvCut computed = kv_cut(config, plan.torus, plan.prefill, 1);
  for (const KvCut& cut : moves_rows ? std::vector{decode, prefill} : std::vector{decode})
    for (const KvWave& wave : plan_kv_distribution(computed, everywhere(cut), {0, 0, plan.prefix})) through(wave.moves);
  return most;
}

// Where the rows of a pass stand in its batch: in the block of chips that has their place of the cache.
class BatchPlan {
 public:
  BatchPlan(const KvCut& cut, const std::vector<std::int64_t>& places)
      : blocks_(cut.blocks()), taken_(static_cast<std::size_t>(cut.blocks())) {
    for (const std::int64_t place : places) {
      const std::int64_t block = place / (cut.rows / blocks_);
      within_.push_back({block, taken_[static_cast<std::size_t>(block)]++});
    }
  }
  // Of the whole batch, empty ones included.
  std::int64_t rows() const {
    return blocks_ * std::max<std::int64_t>(1, *std::max_element(taken_.begin(), taken_.end()));
  }
  std::int64_t row_of(std::size_t i, std::int64_t padded_B) const {
    return within_[i].block * (padded_B / blocks_) + within_[i].index;
  }

 private:
  struct Within {
    std::int64_t block, index;
  };
  std::int64_t blocks_;
  std::vector<std::int64_t> taken_;
  std::vector<Within> within_;
};

// What a layout says of the stored weights beside the cut of E: the same for both phases.
std::string storage_of(const Layout& l) {
  return text(l.kv == KvStorage::columns ? "columns" : "replicated", ", heads cut by ", l.heads_cut,
              l.q_through_heads ? ", queries through heads" : "");
}

void refuse_impossible(const ModelFile& file, const Plan& plan) {
  check(storage_of(plan.prefill) == storage_of(plan.decode), "prefill and decode store keys, values and heads alike");
  if (plan.prefill.stored_E != plan.decode.stored_E && plan.torus.X > 1) {
    Layout shared = plan.prefill;
    shared.stored_E = plan.decode.stored_E;
    refuse({.what = text("prefill in ", ffn_name(plan.prefill), " and decode in ", ffn_name(plan.decode),
                         " need two copies of the weights: ws2d cuts their inputs along x, and ws1d does not"),
            .where = "--layout",
            .numbers = {{"chips along x", std::int64_t{plan.torus.X}}},
            .next = text("the nearest pair that shares one is prefill=", to_text(shared),
                         ",decode=", to_text(plan.decode))});
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
            .next = "lower --ctx-size, or leave it out"});
  check(plan.prefix >= 0 && plan.prefix < plan.context, "a sequence has positions of its own");
}

HostRanks host_ranks(const Mesh& mesh) {
  return {mesh.ranks_of_host(), mesh.max({omp_get_max_threads()})[0] * mesh.ranks_on_host()};
}

void give_up_if_too_large(const Memory& memory, const Mesh& mesh) {
  const std::int64_t each = memory.peak() - memory.process + library_reserve, together = each * mesh.ranks_on_host();
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
                                          {"to load them", human_bytes(static_cast<double>(memory.window))},
                                          {"cache of a rank", human_bytes(static_cast<double>(memory.kv))}},
                              .next = "use more hosts, a smaller --ctx-size or --batch, or a narrower --dtype"});
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
    error =
        Error(Exit::broke, {.what = text("this rank's plan differs from that of rank 0: ", plan, " against ", first),
                            .where = host_name(),
                            .next = "start every rank with the same options and the same file"});
  mesh.agree(error, "comparing plans");
}

}  // namespace

std::string to_text(const Plan& p) {
  std::vector<std::string> schedules;
  for (const ScheduleName s :
       {p.schedules.all_gather, p.schedules.reduce_scatter, p.schedules.reduce_scatter_tokens, p.schedules.all_reduce,
        p.schedules.all_to_all, p.schedules.gather_weights})
    schedules.emplace_back(name(s));
  return text("mesh ", to_text(p.torus), ", prefill ", to_text(p.prefill), ", decode ", to_text(p.decode),
              ", keys and values ", storage_of(p.prefill), ", weights ", p.weights ? name(*p.weights) : "as stored",
              ", kv ", name(p.kv), ", schedules ", join(schedules), ", sequences ", p.sequences, ", context ",
              p.context, ", prefix ", p.prefix, ", chunk ", p.chunk, ", pass tokens ", p.pass_tokens,
              p.candidates > 0 ? text(", candidates ", p.candidates) : std::string());
}

Memory predict_memory(const ModelFile& file, const Plan& asked, const HostRanks& host) {
  const Plan plan = with_groups(asked, file);
  const ModelConfig& config = file.config();
  const auto held = [&](const WeightUse& use) { return held_type(file.tensor(use.weight, use.layer), plan.weights); };
  const KvCut decode = kv_cut(config, plan.torus, plan.decode, plan.sequences);
  const KvCut prefill = kv_cut(config, plan.torus, plan.prefill, plan.prefill_rows(plan.chunk));
  const auto cache_bytes = [&](const KvCut& cut) {
    return kv_bytes(config, cut, plan.kv, plan.context - plan.prefix) +
           kv_bytes(config, everywhere(cut), plan.kv, plan.prefix);
  };
  std::int64_t kv = cache_bytes(decode);
  if (!prefill.same_cut(decode)) kv += cache_bytes(prefill);
  if (plan.prefix > 0)
    kv += kv_bytes(config, kv_cut(config, plan.torus, plan.prefill, 1), plan.kv, plan.prefix);  // while it is made
  Memory most;
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    Memory m = memory(largest_pass(config, plan, phase), held, plan.kv, plan.sequences, plan.context);
    m.kv = kv;
    if (m.at_work() > most.at_work()) most = m;
  }
  most.staging += most_moving(config, plan, prefill, decode);
  const ReadPlan reads = plan_reads(file, plan.torus, plan.prefill, host);
  most.window = ceil_div(reads.window.bytes, std::ssize(host.ranks));
  for (std::size_t rank = 0; rank < host.ranks.size(); ++rank)
    most.window_seen = std::max(most.window_seen, reads.window_seen_by(rank));
  return most;
}

Engine::Engine(const ModelFile& file, const Plan& plan, const Mesh& mesh, const LoadProgress& progress)
    : config_(file.config()), plan_(with_groups(plan, file)), mesh_(mesh) {
  refuse_impossible(file, plan);
  refuse_disagreement(text(to_text(plan), ", model ", config_.name, " of ", config_.parameters(), " parameters"), mesh);
  const HostRanks host = host_ranks(mesh);
  memory_ = predict_memory(file, plan, host);
  memory_.process = mesh.max({peak_resident()})[0];
  give_up_if_too_large(memory_, mesh);
  load(file, host, progress);
  executor_ = std::make_unique<Executor>(mesh_, config_, *weights_);
}

void Engine::load(const ModelFile& file, const HostRanks& host, const LoadProgress& progress) {
  const auto start = std::chrono::steady_clock::now();
  const std::int64_t before = file.bytes_read();
  weights_ = std::make_unique<Weights>(file, mesh_, plan_.prefill, plan_.weights, host, progress);
  load_bytes_ = file.bytes_read() - before;
  mesh_.together("making room for the cache", [&] { make_caches(); });
  load_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Engine::make_caches() {
  const KvCut decode = kv_cut(config_, plan_.torus, plan_.decode, plan_.sequences);
  const KvCut prefill = kv_cut(config_, plan_.torus, plan_.prefill, plan_.prefill_rows(plan_.chunk));
  const std::int64_t positions = plan_.context - plan_.prefix;
  cache_ = std::make_unique<KvCache>(decode, mesh_.coord(), plan_.kv, config_, positions);
  if (!prefill.same_cut(decode)) {
    prefill_cache_ = std::make_unique<KvCache>(prefill, mesh_.coord(), plan_.kv, config_, positions);
    prefill_slots_.resize(static_cast<std::size_t>(plan_.prefill_rows(plan_.chunk)));
  }
}

const PreparedProgram& Engine::program_for(Phase phase, const PassShape& shape) {
  const auto key = std::tuple(phase, shape.B(), shape.L(), shape.output, shape.candidates);
  auto found = programs_.find(key);
  if (found == programs_.end()) {
    if (programs_.size() > 64) programs_.clear();  // ragged prompts leave many shapes behind
    const Layout& layout = phase == Phase::decode ? plan_.decode : plan_.prefill;
    found =
        programs_.emplace(key, executor_->prepare(lower(config_, plan_.torus, layout, shape, plan_.schedules))).first;
    const auto width = [](const PassShape& s) { return std::pair(s.B() * s.L(), s.output); };
    const PassShape* const widest = widest_pass(phase);
    if (widest == nullptr || width(*widest) < width(shape)) widest_[phase] = shape;
  }
  return found->second;
}

const PassShape* Engine::widest_pass(Phase phase) const {
  const auto found = widest_.find(phase);
  return found == widest_.end() ? nullptr : &found->second;
}

// Moves the sequences of these slots of the prefill's cache to where decode reads them, and frees the slots.
void Engine::move_to_decode_cut(const std::vector<std::int64_t>& slots) {
  std::vector<RowMove> rows;
  for (const std::int64_t i : slots) {
    PrefillSlot& slot = prefill_slots_[static_cast<std::size_t>(i)];
    rows.push_back({place_of(prefill_cache_->cut(), i), place_of(cache_->cut(), slot.sequence),
                    slot.filled - plan_.prefix});
    slot = {};
  }
  if (!rows.empty())
    executor_->move(Phase::prefill, *prefill_cache_, *cache_,
                    plan_kv_movement(prefill_cache_->cut(), cache_->cut(), rows));
}

// The slot of a sequence that is prefilled; the one that waited longest makes room.
std::int64_t Engine::prefill_slot_for(const PassInput& row) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < prefill_slots_.size(); ++i) {
    if (prefill_slots_[i].sequence == row.sequence) {
      found = i;
      break;
    }
    if (prefill_slots_[i].last_pass < prefill_slots_[found].last_pass) found = i;
  }
  PrefillSlot& slot = prefill_slots_[found];
  const auto index = static_cast<std::int64_t>(found);
  if (slot.sequence != row.sequence || row.context == plan_.prefix) {
    if (slot.sequence >= 0 && slot.sequence != row.sequence) move_to_decode_cut({index});
    check(slot.last_pass < pass_, "a prefill pass has no more sequences than the prefill's cache");
    if (row.context > plan_.prefix) {
      const RowMove moved{place_of(cache_->cut(), row.sequence), place_of(prefill_cache_->cut(), index),
                          row.context - plan_.prefix};
      executor_->move(Phase::prefill, *cache_, *prefill_cache_,
                      plan_kv_movement(cache_->cut(), prefill_cache_->cut(), {moved}));
    }
  }
  slot = {row.sequence, row.context + std::ssize(row.tokens), pass_};
  return index;
}

// The cache in the phase's cut, with all in it that these rows have cached; `places`: their rows of it.
KvCache& Engine::cache_for(Phase phase, std::span<const PassInput> rows, std::vector<std::int64_t>& places) {
  ++pass_;
  const bool in_prefill_cut = prefill_cache_ && phase == Phase::prefill;
  if (prefill_cache_ && phase == Phase::decode) {
    std::vector<std::int64_t> wanted;
    for (std::size_t i = 0; i < prefill_slots_.size(); ++i)
      if (std::any_of(rows.begin(), rows.end(),
                      [&](const PassInput& row) { return row.sequence == prefill_slots_[i].sequence; }))
        wanted.push_back(static_cast<std::int64_t>(i));
    move_to_decode_cut(wanted);
  }
  KvCache& cache = in_prefill_cut ? *prefill_cache_ : *cache_;
  for (const PassInput& row : rows)
    places.push_back(place_of(cache.cut(), in_prefill_cut ? prefill_slot_for(row) : row.sequence));
  return cache;
}

PassResult Engine::forward(Phase phase, std::span<const PassInput> rows, Output output, std::int64_t candidates) {
  for (const PassInput& row : rows) {
    check(row.sequence >= 0 && row.sequence < plan_.sequences, "a sequence has a slot of the cache");
    check(row.context >= plan_.prefix && row.context + std::ssize(row.tokens) <= plan_.context,
          "a sequence stays inside its context");
  }
  check(prefix_is_shared(), "a shared prefix is computed before what goes on from it");
  std::vector<std::int64_t> places;
  KvCache& cache = cache_for(phase, rows, places);
  return pass(phase, rows, places, cache, output, candidates);
}

void Engine::share_prefix(std::span<const std::int32_t> tokens) {
  check(std::ssize(tokens) == plan_.prefix && !prefix_is_shared(), "the plan's prefix is shared once");
  const auto cache_of = [&](const KvCut& cut) { return KvCache(cut, mesh_.coord(), plan_.kv, config_, plan_.prefix); };
  KvCache computed = cache_of(kv_cut(config_, plan_.torus, plan_.prefill, 1));
  for (std::int64_t done = 0; done < plan_.prefix; done += plan_.chunk) {
    const auto count = static_cast<std::size_t>(std::min(plan_.chunk, plan_.prefix - done));
    const PassInput row{0, done, tokens.subspan(static_cast<std::size_t>(done), count)};
    pass(Phase::prefill, std::span(&row, 1), {0}, computed, Output::none, 0);
  }
  for (KvCache* const cache : {cache_.get(), prefill_cache_.get()}) {
    if (cache == nullptr) continue;
    KvCache prefix = cache_of(everywhere(cache->cut()));
    for (const KvWave& wave : plan_kv_distribution(computed.cut(), prefix.cut(), {0, 0, plan_.prefix}))
      executor_->move(Phase::prefill, wave.from_after ? prefix : computed, prefix, wave.moves);
    cache->share(std::move(prefix));
  }
}

// One pass of rows that have these places in the cache.
PassResult Engine::pass(Phase phase, std::span<const PassInput> rows, const std::vector<std::int64_t>& places,
                        KvCache& cache, Output output, std::int64_t candidates) {
  const BatchPlan batch(cache.cut(), places);
  PassShape shape{phase, std::vector<PassRow>(static_cast<std::size_t>(batch.rows())), output,
                  output == Output::candidates ? candidates : 0};
  for (std::size_t i = 0; i < rows.size(); ++i) shape.rows[i] = {std::ssize(rows[i].tokens), rows[i].context};
  const PreparedProgram& ready = program_for(phase, shape);
  const Program& p = ready.program;

  std::vector<PassInput> placed(static_cast<std::size_t>(p.B));
  std::vector<std::int64_t> at;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    at.push_back(batch.row_of(i, p.B));
    PassInput& row = placed[static_cast<std::size_t>(at.back())];
    row = rows[i];
    row.sequence = places[i];
  }
  const float* const result = executor_->run(ready, placed, cache);

  PassResult out;
  const std::int64_t tokens = shape.L(), V = p.sizes.V;
  const bool gives_logits = output == Output::logits || output == Output::all_logits;
  const std::int64_t each = output == Output::logits ? 1 : tokens, stride = output == Output::logits ? 1 : p.L;
  // At once: a vector that grows takes up to three times what it holds.
  if (gives_logits) out.logits.reserve(at.size() * static_cast<std::size_t>(each * config_.V));
  for (const std::int64_t row : at) {
    if (output == Output::greedy) out.ids.push_back(std::bit_cast<std::int32_t>(result[row]));
    if (output == Output::candidates) {
      const std::int64_t width = p.local_size(p.result, 1);
      for (const float* pair = result + row * width; pair != result + (row + 1) * width; pair += 2) {
        const Best b{pair[0], std::bit_cast<std::int32_t>(pair[1])};
        if (b.id < config_.V) out.candidates.push_back(b);  // without padding
      }
    }
    if (output == Output::score)
      out.log_probabilities.insert(out.log_probabilities.end(), result + row * p.L, result + row * p.L + tokens);
    for (std::int64_t l = 0; gives_logits && l < each; ++l) {  // without the padding of the vocabulary
      const float* const logits = result + (row * stride + l) * V;
      out.logits.insert(out.logits.end(), logits, logits + config_.V);
    }
  }
  return out;
}

}  // namespace tsrun
