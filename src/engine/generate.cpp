#include "tsrun/engine/generate.hpp"

#include <algorithm>
#include <chrono>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/kernels/team.hpp"

namespace tsrun {
namespace {

constexpr std::size_t nobody = static_cast<std::size_t>(-1);

class Clock {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A place in the cache, and the sequence that has it.
struct Slot {
  std::size_t sequence = nobody;
  std::int64_t cached = 0;
};

class Batch {
 public:
  Batch(Engine& engine, const std::vector<std::vector<std::int32_t>>& prompts, const GenerateOptions& options,
        GenerateTiming& timing)
      : engine_(engine),
        options_(options),
        timing_(timing),
        output_(output_for(options.sampling, engine.config().V, engine.plan().torus.size())),
        texts_(prompts),
        results_(prompts.size()),
        slots_(static_cast<std::size_t>(engine.plan().sequences)) {}

  std::vector<Generated> run() {
    share_prefix();
    // The first prompts are all prefilled before decoding begins; those that take a slot later are prefilled chunk by
    // chunk between decode steps, so that nobody waits for a long prompt.
    bool decoding = false;
    while (fill_slots()) {
      const bool prefilled = prefill_pass();
      decoding = decoding || !prefilled;
      if (decoding) decode_pass();
    }
    return std::move(results_);
  }

 private:
  void share_prefix() {
    const auto shared = static_cast<std::size_t>(engine_.plan().prefix);
    if (shared == 0 || texts_.empty() || engine_.prefix_is_shared()) return;
    for (const std::vector<std::int32_t>& t : texts_)
      check(t.size() > shared &&
                std::equal(t.begin(), t.begin() + static_cast<std::ptrdiff_t>(shared), texts_[0].begin()),
            "every prompt begins with the plan's prefix");
    const Clock clock;
    engine_.share_prefix(std::span(texts_[0]).first(shared));
    timing_.prefill_s += clock.seconds();
    timing_.prefill_tokens += static_cast<std::int64_t>(shared);
  }
  // True while a slot is taken.
  bool fill_slots() {
    bool taken = false;
    for (Slot& slot : slots_) {
      if (slot.sequence == nobody && next_ < texts_.size()) slot = {next_++, engine_.plan().prefix};
      taken = taken || slot.sequence != nobody;
    }
    return taken;
  }
  std::int64_t remaining(const Slot& slot) const {
    return slot.sequence == nobody ? 0 : std::ssize(texts_[slot.sequence]) - slot.cached;
  }

  // A sequence that has all but its newest token in the cache is decoding.
  bool is_decoding(const Slot& slot) const {
    return slot.sequence != nobody && !results_[slot.sequence].tokens.empty();
  }

  // One pass over prompts that are not in the cache yet; false if there are none.
  bool prefill_pass() {
    std::vector<std::int64_t> left;
    for (const Slot& slot : slots_) left.push_back(is_decoding(slot) ? 0 : remaining(slot));
    const Plan& plan = engine_.plan();
    const std::vector<std::int64_t> share = next_pass(left, plan, engine_.most_prefill_rows());
    std::vector<std::size_t> who;
    bool any_whole = false;
    for (std::size_t s = 0; s < slots_.size(); ++s)
      if (share[s] > 0) {
        who.push_back(s);
        any_whole = any_whole || share[s] == left[s];
        timing_.prefill_tokens += share[s];
      }
    if (who.empty()) return false;
    timing_.prefill_s += pass(Phase::prefill, who, share, any_whole);
    return true;
  }

  void decode_pass() {
    std::vector<std::size_t> who;
    for (std::size_t s = 0; s < slots_.size(); ++s)
      if (is_decoding(slots_[s])) who.push_back(s);
    if (who.empty()) return;
    timing_.decode_tokens += std::ssize(who);
    timing_.decode_steps.push_back(pass(Phase::decode, who, std::vector<std::int64_t>(slots_.size(), 1), true));
    timing_.decode_s += timing_.decode_steps.back();
  }

  // The slots `who` take share[s] new tokens each; those whose text is then all in the cache get their next token.
  double pass(Phase phase, const std::vector<std::size_t>& who, const std::vector<std::int64_t>& share,
              bool wants_tokens) {
    const Clock clock;
    std::vector<PassInput> rows;
    for (const std::size_t s : who) {
      const std::span<const std::int32_t> all(texts_[slots_[s].sequence]);
      rows.push_back({static_cast<std::int64_t>(s), slots_[s].cached,
                      all.subspan(static_cast<std::size_t>(slots_[s].cached), static_cast<std::size_t>(share[s]))});
    }
    const PassResult result =
        engine_.forward(phase, rows, wants_tokens ? output_ : Output::none, options_.sampling.candidates());
    const double seconds = clock.seconds();
    std::vector<std::size_t> finished;  // rows
    for (std::size_t r = 0; r < who.size(); ++r) {
      Slot& slot = slots_[who[r]];
      slot.cached += share[who[r]];
      if (remaining(slot) == 0) finished.push_back(r);
    }
    std::vector<std::int32_t> next(finished.size());
    share_out(std::ssize(finished), output_ == Output::logits, [&](std::int64_t i) {
      const std::size_t r = finished[static_cast<std::size_t>(i)];
      next[static_cast<std::size_t>(i)] = next_token(result, r, who.size(), slots_[who[r]].sequence);
    });
    for (std::size_t i = 0; i < finished.size(); ++i) accept(slots_[who[finished[i]]], next[i]);
    return seconds;
  }
  std::int32_t next_token(const PassResult& result, std::size_t row, std::size_t rows, std::size_t sequence) const {
    if (output_ == Output::greedy) return result.ids[row];
    const auto drawn = [&](const auto& all) {
      const std::size_t each = all.size() / rows;
      const std::vector<std::uint64_t>& numbers = options_.sequence_numbers;
      return sample(std::span(all).subspan(row * each, each), options_.sampling, texts_[sequence],
                    numbers.empty() ? sequence : numbers[sequence]);
    };
    return output_ == Output::candidates ? drawn(result.candidates) : drawn(result.logits);
  }

  void accept(Slot& slot, std::int32_t id) {
    if (timing_.ttft_s == 0) timing_.ttft_s = clock_.seconds();
    const std::size_t sequence = slot.sequence;
    Generated& result = results_[sequence];
    texts_[sequence].push_back(id);
    result.tokens.push_back(id);
    bool finished = true;
    if (options_.ends && options_.ends(id)) result.finish = Finish::eos;
    else if (options_.stops && options_.stops(result.tokens)) result.finish = Finish::stop;
    else finished = std::ssize(result.tokens) >= options_.n_predict;
    if (options_.progress) options_.progress(sequence, result, finished);
    if (finished) slot = {};
  }

  Engine& engine_;
  const GenerateOptions& options_;
  GenerateTiming& timing_;
  Output output_;  // of passes whose tokens are wanted
  Clock clock_;
  std::vector<std::vector<std::int32_t>> texts_;  // prompts, growing
  std::vector<Generated> results_;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;  // the next sequence to enter
};

}  // namespace

std::string_view name(Finish finish) {
  return finish == Finish::length ? "length" : finish == Finish::eos ? "eos" : "stop";
}

std::vector<std::int64_t> next_pass(const std::vector<std::int64_t>& remaining, const Plan& plan,
                                    std::int64_t most_rows) {
  // Longer sequences first: of those that fit, the widest pass that is at least three quarters full.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < remaining.size(); ++i)
    if (remaining[i] > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return remaining[a] > remaining[b]; });
  std::vector<std::int64_t> share(remaining.size());
  if (order.empty()) return share;
  const std::int64_t L = std::min(plan.chunk, remaining[order[0]]);
  const std::int64_t most = std::min(plan.prefill_rows(L), most_rows);
  std::int64_t filled = 0, rows = 0;
  for (const std::size_t i : order) {
    const std::int64_t tokens = std::min(L, remaining[i]);
    if (rows == most || 4 * (filled + tokens) < 3 * L * (rows + 1)) break;
    share[i] = tokens;
    filled += tokens;
    ++rows;
  }
  return share;
}

Output output_for(const Sampling& sampling, std::int64_t V, int chips) {
  if (sampling.greedy()) return Output::greedy;
  const std::int64_t pairs = sampling.candidates();
  return pairs > 0 && 2 * pairs < ceil_div(V, chips) ? Output::candidates : Output::logits;
}

std::int64_t shared_prefix(const std::vector<std::vector<std::int32_t>>& prompts) {
  constexpr std::ptrdiff_t least = 32;  // below that, keeping it apart costs more than computing it again
  if (prompts.size() < 2) return 0;
  std::ptrdiff_t shared = std::ssize(prompts[0]) - 1;  // each keeps a token of its own
  for (const std::vector<std::int32_t>& p : prompts)
    shared = std::min({shared, std::ssize(p) - 1,
                       std::mismatch(p.begin(), p.end(), prompts[0].begin(), prompts[0].end()).first - p.begin()});
  return shared < least ? 0 : shared;
}

std::vector<Generated> generate(Engine& engine, const std::vector<std::vector<std::int32_t>>& prompts,
                                const GenerateOptions& options, GenerateTiming& timing) {
  check(options.sequence_numbers.empty() || options.sequence_numbers.size() == prompts.size(),
        "every prompt has a number for its random numbers, or none has");
  check(std::none_of(prompts.begin(), prompts.end(), [](const auto& ids) { return ids.empty(); }),
        "every prompt has a token to go on from");
  if (options.n_predict <= 0) {
    const std::vector<Generated> nothing(prompts.size());
    for (std::size_t i = 0; options.progress && i < nothing.size(); ++i) options.progress(i, nothing[i], true);
    return nothing;
  }
  return Batch(engine, prompts, options, timing).run();
}

std::vector<std::vector<float>> score(Engine& engine, const std::vector<std::vector<std::int32_t>>& texts) {
  std::vector<std::vector<float>> scores(texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::span<const std::int32_t> all(texts[i]);
    // The last token has no next one to score.
    for (std::size_t done = 0; done + 1 < all.size();) {
      const std::size_t count = std::min(static_cast<std::size_t>(engine.plan().chunk), all.size() - 1 - done);
      const PassInput row{0, static_cast<std::int64_t>(done), all.subspan(done, count), all.subspan(done + 1, count)};
      const PassResult result = engine.forward(Phase::prefill, std::span(&row, 1), Output::score);
      scores[i].insert(scores[i].end(), result.log_probabilities.begin(),
                       result.log_probabilities.begin() + static_cast<std::ptrdiff_t>(count));
      done += count;
    }
  }
  return scores;
}

void all_logits(Engine& engine, const std::vector<std::int32_t>& tokens,
                const std::function<void(const std::vector<float>&)>& each) {
  const std::span<const std::int32_t> all(tokens);
  for (std::size_t done = 0; done < all.size();) {
    const std::size_t count = std::min(static_cast<std::size_t>(engine.plan().chunk), all.size() - done);
    const PassInput row{0, static_cast<std::int64_t>(done), all.subspan(done, count)};
    each(engine.forward(Phase::prefill, std::span(&row, 1), Output::all_logits).logits);
    done += count;
  }
}

}  // namespace tsrun
