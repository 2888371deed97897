#include "tsrun/planner/claims.hpp"

#include <algorithm>

#include "tsrun/planner/candidates.hpp"

namespace tsrun {
namespace {

const Torus cube{4, 4, 4};

// One phase of PaLM 540B on the chips of the claims.
struct Case {
  const char* layout;
  Phase phase = Phase::decode;
  std::int64_t batch = 64;
  std::int64_t tokens = 1;
  std::int64_t context = 2080;
  DType weights = DType::bf16;
  Torus torus = cube;
  const char* model = "palm-540b";
};

class Teller {
 public:
  Teller(const ModelsByName& models, const Chip& chip) : models_(models), chip_(chip) {}

  PassCost cost(const Case& c) {
    const PassShape shape = PassShape::uniform(c.phase, c.batch, c.tokens, c.context, Output::greedy);
    const LoweredPass pass = lower_pass(models_.at(c.model), chip_, c.torus, parse_layout(c.layout), shape);
    return price_pass(pass, chip_, c.weights, DType::bf16, walks_);
  }
  double seconds(const Case& c) { return cost(c).time_s(); }
  double layers_s(const Case& c) { return cost(c).layers.time_s; }
  // Of the layers' time.
  double attention_share(const Case& c) {
    const PassShape shape = PassShape::uniform(c.phase, c.batch, c.tokens, c.context, Output::greedy);
    const LoweredPass pass = lower_pass(models_.at(c.model), chip_, c.torus, parse_layout(c.layout), shape);
    double attention = 0, all = 0;
    for (const LoweredPass::Kind& kind : pass.kinds) {
      const PassPrice priced = price(
          kind.program, chip_, [&](const WeightUse&) { return c.weights; }, DType::bf16, walks_);
      for (std::size_t i = 0; i < priced.steps.size(); ++i)
        if (kind.program.steps[i].op == Op::attend)
          attention += priced.steps[i].time_s * static_cast<double>(kind.layers);
      all += priced.layers.time_s * static_cast<double>(kind.layers);
    }
    return attention / all;
  }
  // The least whole number of [from, to] for which `second` is no slower than `first`; both are asked for it.
  template <class First, class Second>
  std::int64_t crossing(std::int64_t from, std::int64_t to, First first, Second second) {
    while (from < to) {
      const std::int64_t middle = from + (to - from) / 2;
      if (layers_s(second(middle)) <= layers_s(first(middle))) to = middle;
      else from = middle + 1;
    }
    return from;
  }
  double parameters() const { return static_cast<double>(models_.at("palm-540b").parameters()); }
  const Chip& chip() const { return chip_; }

 private:
  const ModelsByName& models_;
  const Chip& chip_;
  WalkLoads walks_;
};

Case prefill(const char* layout, std::int64_t batch, std::int64_t tokens = 2048) {
  return {layout, Phase::prefill, batch, tokens, 0};
}
Case decode(std::int64_t batch, DType weights, std::int64_t context = 2080, const char* layout = "ws2d/batch") {
  return {layout, Phase::decode, batch, 1, context, weights};
}

void add_decode(Teller& t, std::vector<Claim>& all) {
  const double int8 = t.seconds(decode(64, DType::int8)), bf16 = t.seconds(decode(64, DType::bf16));
  all.push_back({"a decode step in int8, batch 64", "s", 0.0285, 0.029, int8});
  all.push_back({"the same in bf16", "s", 0.0369, 0.0369, bf16});
  all.push_back({"bf16 against int8", "times", 1.30, 1.30, bf16 / int8});
  const Case serial{"ws2d/batch", Phase::decode, 512, 1, 2080, DType::bf16, cube, "palm-540b-serial"};
  const double parallel_s = t.layers_s(decode(512, DType::bf16));
  all.push_back({"a serial block against the parallel one, decode, batch 512", "times", 1.14, 1.14,
                 t.layers_s(serial) / parallel_s});
  all.push_back({"a decode step at batch 512 in bf16 against the fastest, batch 64 in int8", "times", 3, 3,
                 parallel_s / t.layers_s(decode(64, DType::int8))});
}

void add_phases(Teller& t, std::vector<Claim>& all) {
  const double prefill_s = t.seconds(prefill("wg_xyz/batch", 512)), step_s = t.seconds(decode(512, DType::bf16));
  all.push_back({"a token of decode against one of prefill, batch 512", "times", 2, 2, step_s / (prefill_s / 2048)});
  Case turn = prefill("ws2d/head", 1, 64);
  turn.context = 1920;
  turn.weights = DType::int8;
  all.push_back({"a chat turn: 64 tokens on 1920, then 64 steps of batch 64 in int8", "s", 1.9, 1.9,
                 t.seconds(turn) + 64 * t.seconds(decode(64, DType::int8, 2016))});
  const double offline_s =
      t.seconds(prefill("wg_xyz/batch", 512, 1984)) + 64 * t.seconds(decode(512, DType::bf16, 2016));
  all.push_back({"MFU of 1984 tokens in and 64 out, batch 512", "share", 0.73, 0.73,
                 mfu(t.parameters(), 512 * 2048, offline_s, cube.size(), t.chip())});
}

void add_crossings(Teller& t, std::vector<Claim>& all) {
  const std::int64_t batch = t.crossing(
      1, 1024, [](std::int64_t b) { return prefill("ws2d/head", b); },
      [](std::int64_t b) { return prefill("wg_xyz/batch", b); });
  all.push_back({"prefill in 2D and with gathered weights take as long at", "tokens", 131072, 262144,
                 static_cast<double>(batch * 2048)});
  const std::int64_t context = t.crossing(
      1, 4096, [](std::int64_t c) { return decode(256, DType::bf16, c, "ws2d/head"); },
      [](std::int64_t c) { return decode(256, DType::bf16, c); });
  all.push_back({"attention over the batch is faster from a context of, batch 256", "tokens", 128, 512,
                 static_cast<double>(context)});
  const struct {
    const char* words;
    Torus torus;
    double published;
  } sizes[] = {{"1D against 2D on 64 chips, decode, batch 512", {4, 4, 4}, 1.04},
               {"1D against 2D on 128 chips", {8, 4, 4}, 1.29},
               {"1D against 2D on 256 chips", {4, 8, 8}, 1.32}};
  for (const auto& size : sizes) {
    Case two = decode(512, DType::bf16, 2048), one = decode(512, DType::bf16, 2048, "ws1d/batch");
    two.torus = one.torus = size.torus;
    all.push_back({size.words, "times", size.published, size.published, t.layers_s(one) / t.layers_s(two)});
  }
  all.push_back({"attention's part of a step at context 8192, batch 512", "share", 0.08, 0.31,
                 t.attention_share(decode(512, DType::bf16, 8192))});
  all.push_back({"attention's part of a step at context 32768, batch 128", "share", 0.08, 0.31,
                 t.attention_share(decode(128, DType::bf16, 32768))});
}

}  // namespace

std::vector<Claim> claims(const ModelsByName& models, const Chip& chip) {
  Teller teller(models, chip);
  std::vector<Claim> all;
  add_decode(teller, all);
  add_phases(teller, all);
  add_crossings(teller, all);
  return all;
}

std::vector<ChosenBeside> chosen_beside(const std::vector<PublishedPoint>& points, const ModelsByName& models,
                                        const Chip& chip) {
  std::vector<ChosenBeside> all;
  WalkLoads walks;
  for (const PublishedPoint& p : points) {
    const Choices choices{models.at(p.model), {chip}, {p.torus}, named_layouts(), {p.weights}, DType::bf16};
    const Work work{p.phase, p.batch, p.tokens, p.context, p.passes, p.context + p.tokens};
    const Contest contest{work, candidates(choices, work, walks)};
    const std::optional<Choice> choice = choose(choices, contest);
    if (!choice) continue;
    const Candidate& chosen = contest.candidates[choice->best];
    const auto papers = std::find_if(contest.candidates.begin(), contest.candidates.end(),
                                     [&](const Candidate& c) { return cut_alike(p.torus, c.layout, p.layout); });
    all.push_back({p, chosen.layout, papers->time_s() / chosen.time_s() - 1});
  }
  return all;
}

}  // namespace tsrun
