// Batches of every kind in every cut of attention: one sequence, fewer than chips, a number that does not divide, texts
// of different lengths, prompts in chunks, slots that refill, a shared prefix, a turn onto a cache that is there.
#include "layout_runs.hpp"
#include "reference/transformer.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::vector<Torus> tori() {
  switch (world_size()) {
    case 6: return {{3, 2, 1}};
    case 8: return {{2, 2, 2}};
    case 12: return {{2, 3, 2}};
    default: return {{world_size(), 1, 1}};
  }
}

struct Pair {
  std::string prefill, decode;
};
// Every cut of attention in both phases; with TSRUN_LONG over more feed-forward layouts.
std::vector<Pair> pairs() {
  std::vector<Pair> all;
  for (const std::string cut : {"head", "batch_x", "batch_xy", "batch"}) {
    all.push_back({"ws2d/" + cut, "ws2d/batch"});
    all.push_back({"wg_xyz/" + cut, "ws2d/" + cut});
    if (!long_run()) continue;
    all.push_back({"ws2d/batch_x", "wg_x/" + cut});
    all.push_back({"ws1d/" + cut, "wg_xy@1d/" + cut});
    all.push_back({"wg_xy@1d/" + cut, "ws1d/head"});
  }
  return all;
}

// A text as it is fed: its first tokens are the prompt, the others are decoded one by one.
struct Fed {
  const GoldenSequence* golden;
  std::size_t prompt, end;
};

// As `generate` does it, but with texts that are known: slots that refill, prompts in chunks between the others' decode
// steps. The logits of every pass against the reference.
class FedBatch {
 public:
  FedBatch(Engine& engine, const std::vector<Fed>& texts)
      : engine_(engine), texts_(texts), slots_(static_cast<std::size_t>(engine.plan().sequences)) {}

  void run() {
    while (fill()) {
      std::vector<std::size_t> prefills, decodes;
      for (std::size_t s = 0; s < slots_.size(); ++s)
        if (slots_[s].text >= 0) (at(s).prompt > slots_[s].cached ? prefills : decodes).push_back(s);
      prefills.resize(std::min(prefills.size(), static_cast<std::size_t>(engine_.most_prefill_rows())));
      if (!prefills.empty()) pass(Phase::prefill, prefills);
      if (!decodes.empty()) pass(Phase::decode, decodes);
    }
  }

 private:
  struct Slot {
    std::ptrdiff_t text = -1;
    std::size_t cached = 0;
  };
  const Fed& at(std::size_t slot) const { return texts_[static_cast<std::size_t>(slots_[slot].text)]; }
  bool fill() {
    bool taken = false;
    for (Slot& slot : slots_) {
      if (slot.text >= 0 && slot.cached == texts_[static_cast<std::size_t>(slot.text)].end) slot = {};
      if (slot.text < 0 && next_ < std::ssize(texts_)) slot = {next_++, 0};
      taken = taken || slot.text >= 0;
    }
    return taken;
  }
  void pass(Phase phase, const std::vector<std::size_t>& who) {
    std::vector<PassInput> rows;
    for (const std::size_t s : who) {
      const std::size_t left = phase == Phase::decode ? 1 : at(s).prompt - slots_[s].cached;
      const std::size_t count = std::min(left, static_cast<std::size_t>(engine_.plan().chunk));
      rows.push_back({static_cast<std::int64_t>(s), static_cast<std::int64_t>(slots_[s].cached),
                      std::span(at(s).golden->ids).subspan(slots_[s].cached, count)});
      slots_[s].cached += count;
    }
    const PassResult result = engine_.forward(phase, rows, Output::logits);
    const auto V = static_cast<std::size_t>(engine_.config().V);
    for (std::size_t i = 0; i < who.size(); ++i)
      CHECK_NEAR(std::span(result.logits).subspan(i * V, V),
                 std::span(at(who[i]).golden->logits).subspan((slots_[who[i]].cached - 1) * V, V), 1e-4);
  }

  Engine& engine_;
  const std::vector<Fed>& texts_;
  std::vector<Slot> slots_;
  std::ptrdiff_t next_ = 0;
};

// The reference as a model that any text can be asked of.
class Oracle {
 public:
  explicit Oracle(const std::string& name)
      : model_(load_reference(*open_source(read_golden(TSRUN_SOURCE_DIR "/tests/golden", name).model_path))) {}
  std::vector<float> last_logits(const std::vector<std::int32_t>& ids) const {
    const std::vector<float> all = reference_logits(model_, ids);
    return {all.end() - model_.config.V, all.end()};
  }
  std::vector<std::int32_t> greedy(std::vector<std::int32_t> ids, std::size_t n) const {
    const std::size_t prompt = ids.size();
    while (ids.size() < prompt + n) {
      const std::vector<float> logits = last_logits(ids);
      ids.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    }
    return {ids.begin() + static_cast<std::ptrdiff_t>(prompt), ids.end()};
  }
  const ReferenceModel& model() const { return model_; }

 private:
  ReferenceModel model_;
};

}  // namespace

TEST_CASE("batches of one, fewer than chips and a number that does not divide: logits of every chunk and every step") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    const std::vector<Fed> texts = {
        {&golden[0], 3, 5}, {&golden[2], 21, 24}, {&golden[1], 1, 3}, {&golden[2], 7, 9}, {&golden[1], 16, 17}};
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const Pair& pair : pairs())
        for (const auto& [slots, chunk] : {std::pair<std::size_t, std::int64_t>{1, 64}, {2, 5}, {5, 6}}) {
          CAPTURE(text(pair.prefill, " then ", pair.decode, ", ", slots, " slots, chunks of ", chunk));
          Plan plan = plan_of(file, torus, pair.prefill, pair.decode, slots);
          plan.chunk = chunk;
          plan.pass_tokens = 3 * chunk;
          Engine engine(*file, plan, mesh);
          FedBatch(engine, texts).run();
          check_traffic(engine);
        }
    }
  }
}

TEST_CASE("generate: the reference's greedy texts, whatever the batch, the chunks and the slots") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const Oracle oracle(model);
    std::vector<std::vector<std::int32_t>> prompts;
    for (const GoldenSequence& s : golden_sequences(model)) prompts.push_back(s.ids);
    prompts.push_back({prompts[0][0], prompts[1][1], prompts[2][2]});
    prompts.push_back({prompts[2][0]});
    GenerateOptions options;
    options.n_predict = 6;
    std::vector<std::vector<std::int32_t>> wanted;
    for (const auto& prompt : prompts) wanted.push_back(oracle.greedy(prompt, 6));
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const Pair& pair : {Pair{"ws2d/head", "ws2d/batch"}, Pair{"wg_xyz/head", "ws2d/batch_xy"},
                               Pair{"ws1d/batch_x", "wg_x@1d/head"}})
        for (const auto& [sequences, chunk] : {std::pair<std::size_t, std::int64_t>{1, 5}, {2, 64}, {2, 5}, {5, 64}}) {
          CAPTURE(text(pair.prefill, " then ", pair.decode, ", ", sequences, " slots, chunks of ", chunk));
          Plan plan = plan_of(file, torus, pair.prefill, pair.decode, sequences);
          plan.chunk = chunk;
          plan.pass_tokens = 2 * chunk;
          Engine engine(*file, plan, mesh);
          GenerateTiming timing;
          const std::vector<Generated> texts = generate(engine, prompts, options, timing);
          for (std::size_t i = 0; i < prompts.size(); ++i) CHECK(texts[i].tokens == wanted[i]);
          check_traffic(engine);
        }
    }
  }
}

TEST_CASE("many samples of one prompt: prefilled once as a batch of one, and the same texts as when each is alone") {
  const GoldenFile file("palm");
  const std::vector<std::int32_t> prompt = golden_sequences("palm")[2].ids;
  const std::vector<std::vector<std::int32_t>> prompts(7, prompt);
  GenerateOptions options;
  options.n_predict = 5;
  options.sampling.temperature = 2;
  options.sampling.seed = 3;
  for (const Torus& torus : tori()) {
    CAPTURE(to_text(torus));
    const Mesh mesh(torus, 60);
    for (const Pair& pair : {Pair{"ws2d/head", "ws2d/batch"}, Pair{"wg_xyz/head", "ws2d/batch"}}) {
      CAPTURE(pair.prefill);
      const auto run = [&](std::size_t slots, std::int64_t prefix, std::int64_t prefilled) {
        Plan plan = plan_of(file, torus, pair.prefill, pair.decode, slots);
        plan.prefix = prefix;
        Engine engine(*file, plan, mesh);
        GenerateTiming timing;
        const auto texts = generate(engine, prompts, options, timing);
        CHECK(timing.prefill_tokens == prefilled);
        check_traffic(engine);
        std::vector<std::vector<std::int32_t>> ids;
        for (const Generated& g : texts) ids.push_back(g.tokens);
        return ids;
      };
      const std::int64_t shared = shared_prefix(prompts);
      REQUIRE(shared == std::ssize(prompt) - 1);
      const auto together = run(7, shared, shared + 7);
      CHECK(together == run(1, 0, 7 * std::ssize(prompt)));
      CHECK(std::set<std::vector<std::int32_t>>(together.begin(), together.end()).size() > 1);
    }
  }
}

TEST_CASE("a turn of 64 tokens of a conversation is prefilled onto 1920 that are there") {
  const GoldenFile file("llama_bias");
  const Oracle oracle("llama_bias");
  const auto V = static_cast<std::size_t>(file->config().V);
  std::vector<std::int32_t> ids;
  for (std::uint32_t i = 0, n = 7; i < 1984; ++i)
    ids.push_back(static_cast<std::int32_t>((n = n * 1664525U + 1013904223U) >> 8U) % static_cast<std::int32_t>(V));
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  std::vector<float> wanted(64 * V);
  if (rank == 0) {
    const std::vector<float> all = reference_logits(oracle.model(), ids);
    std::copy(all.end() - std::ssize(wanted), all.end(), wanted.begin());
  }
  MPI_Bcast(wanted.data(), static_cast<int>(wanted.size()), MPI_FLOAT, 0, MPI_COMM_WORLD);
  for (const Torus& torus : tori()) {
    CAPTURE(to_text(torus));
    const Mesh mesh(torus, 60);
    for (const Pair& pair :
         {Pair{"ws2d/head", "ws2d/batch"}, Pair{"ws2d/batch", "ws2d/batch"}, Pair{"wg_xyz/head", "ws2d/batch_x"}}) {
      CAPTURE(text(pair.prefill, " then ", pair.decode));
      Plan plan = plan_of(file, torus, pair.prefill, pair.decode, 2);
      plan.context = 2048;
      plan.chunk = 512;
      Engine engine(*file, plan, mesh);
      const auto pass = [&](Phase phase, std::size_t from, std::size_t count, Output output) {
        const PassInput row{1, static_cast<std::int64_t>(from), std::span(ids).subspan(from, count)};
        return engine.forward(phase, std::span(&row, 1), output);
      };
      for (std::size_t done = 0; done < 1916; done += 512)
        pass(Phase::prefill, done, std::min<std::size_t>(512, 1916 - done), Output::none);
      for (std::size_t done = 1916; done < 1920; ++done) pass(Phase::decode, done, 1, Output::none);
      const PassResult turn = pass(Phase::prefill, 1920, 64, Output::all_logits);
      CHECK_NEAR(std::span(turn.logits), std::span(wanted), 1e-4);
      check_traffic(engine);
      // Prefill with decode's cut moves nothing.
      const std::int64_t moved = sent_by_all(engine, mesh, Phase::prefill, true);
      if (pair.prefill == pair.decode) CHECK(moved == 0);
      else if (world_size() > 1) CHECK(moved > 0);
    }
  }
}

TEST_CASE("a prefix that all sequences share is kept once, and changes no bit") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const Oracle oracle(model);
    const std::vector<std::int32_t> ids = golden_sequences(model)[2].ids;
    const std::size_t shared = ids.size() - 3;
    const auto V = static_cast<std::size_t>(file->config().V);
    std::vector<std::vector<std::int32_t>> prompts(5, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(shared)});
    std::vector<std::vector<float>> wanted;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      for (std::size_t own = 0; own <= i; ++own) prompts[i].push_back(ids[(i + own) % ids.size()]);
      wanted.push_back(oracle.last_logits(prompts[i]));
    }
    // Logits after each prompt and after one more token of it; bytes of the prefix on this chip.
    struct Outcome {
      std::vector<float> logits;
      std::int64_t own_bytes = 0, prefix_bytes = 0;
    };
    const auto run = [&](const Torus& torus, const Mesh& mesh, const Pair& pair, std::int64_t prefix) {
      Plan plan = plan_of(file, torus, pair.prefill, pair.decode, prompts.size());
      plan.prefix = prefix;
      Engine engine(*file, plan, mesh);
      if (prefix > 0) engine.share_prefix(std::span(ids).first(shared));
      std::vector<PassInput> rows;
      for (std::size_t i = 0; i < prompts.size(); ++i)
        rows.push_back(
            {static_cast<std::int64_t>(i), prefix, std::span(prompts[i]).subspan(static_cast<std::size_t>(prefix))});
      Outcome out;
      // As many rows as prefill's own cut has places for.
      const auto most = static_cast<std::size_t>(engine.most_prefill_rows());
      for (std::size_t i = 0; i < rows.size(); i += most) {
        const auto some = std::span(rows).subspan(i, std::min(most, rows.size() - i));
        const auto part = engine.forward(Phase::prefill, some, Output::logits).logits;
        out.logits.insert(out.logits.end(), part.begin(), part.end());
      }
      for (std::size_t i = 0; i < rows.size(); ++i)
        rows[i] = {rows[i].sequence, rows[i].context + std::ssize(rows[i].tokens), std::span(prompts[i]).first(1)};
      const auto next = engine.forward(Phase::decode, rows, Output::logits).logits;
      out.logits.insert(out.logits.end(), next.begin(), next.end());
      check_traffic(engine);
      out.own_bytes = engine.cache_bytes();
      out.prefix_bytes = engine.prefix_bytes();
      return out;
    };
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const Pair& pair : pairs()) {
        CAPTURE(text(pair.prefill, " then ", pair.decode));
        const Outcome with = run(torus, mesh, pair, static_cast<std::int64_t>(shared)),
                      without = run(torus, mesh, pair, 0);
        CHECK(with.logits == without.logits);
        for (std::size_t i = 0; i < prompts.size(); ++i)
          CHECK_NEAR(std::span(with.logits).subspan(i * V, V), std::span(wanted[i]), 1e-4);
        // Once on every chip, for each cut of the cache, and no longer in each of its sequences.
        const KvCut prefill = kv_cut(file->config(), torus, parse_layout(pair.prefill), 5),
                    decode = kv_cut(file->config(), torus, parse_layout(pair.decode), 5);
        const std::int64_t position = 2 * file->config().layers * file->config().Q * 4;
        const auto in_own = [&](const KvCut& cut) { return cut.rows / cut.blocks() * cut.most_slots(); };
        const bool two = !prefill.same_cut(decode);
        const auto p = static_cast<std::int64_t>(shared);
        CHECK(without.prefix_bytes == 0);
        CHECK(with.prefix_bytes == p * position * (decode.most_slots() + (two ? prefill.most_slots() : 0)));
        CHECK(without.own_bytes - with.own_bytes == p * position * (in_own(decode) + (two ? in_own(prefill) : 0)));
      }
    }
  }
}
