// The planner: every way to cut the work, priced by its program; and the choice among them.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tsrun/cost/volume.hpp"
#include "tsrun/import/chip_file.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/planner/decide.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;

namespace {

const std::string data = TSRUN_SOURCE_DIR "/data/";

Choices choices(const std::string& model, int chips, const std::string& chip = "tpu_v4") {
  return {read_hf_config(data + "models/" + model + ".json"),
          {read_chip(data + "chips/" + chip + ".json")},
          tori_of(chips),
          named_layouts(),
          {DType::int8},
          DType::bf16};
}
Work decode(std::int64_t batch, std::int64_t context) { return {Phase::decode, batch, 1, context, 64, context + 64}; }
Work prefill(std::int64_t batch, std::int64_t tokens) { return {Phase::prefill, batch, tokens, 0, 1, tokens}; }

std::string way(const Candidate& c) { return to_text(c.torus) + " " + to_text(c.layout); }

}  // namespace

TEST_CASE("tori of n chips are all ordered products of three sizes") {
  CHECK(tori_of(1).size() == 1);
  CHECK(tori_of(8).size() == 10);
  CHECK(tori_of(12).size() == 18);
  CHECK(tori_of(64).size() == 28);
  for (const Torus& t : tori_of(60)) CHECK(t.size() == 60);
}

TEST_CASE("candidates are each different, and best first") {
  const Choices all = choices("palm-540b", 64);
  WalkLoads walks;
  const std::vector<Candidate> found = candidates(all, decode(64, 2048), walks);
  std::set<std::string> ways;
  for (const Candidate& c : found) ways.insert(way(c));
  CHECK(ways.size() == found.size());
  CHECK(ways.contains("4x4x4 ws2d/batch"));
  CHECK(ways.contains("64x1x1 ws2d/head"));
  CHECK_FALSE(ways.contains("1x8x8 ws2d/head"));  // as ws1d/head
  for (std::size_t i = 1; i < found.size(); ++i) {
    CHECK(found[i - 1].fits() >= found[i].fits());
    if (found[i].fits()) CHECK(found[i - 1].time_s() <= found[i].time_s());
  }
  for (const Candidate& c : found)
    if (c.is_priced()) CHECK((static_cast<double>(c.memory.peak()) <= all.chips[0].memory_bytes) == c.fits());
}

TEST_CASE("what does not fit says by how much, and what cannot be says why") {
  Choices one = choices("palm-540b", 8);
  WalkLoads walks;
  for (const Candidate& c : candidates(one, decode(64, 2048), walks)) {
    CHECK_FALSE(c.fits());
    if (c.is_priced()) CHECK(c.rejected.find("32 GiB") != std::string::npos);
  }
}

TEST_CASE("a close call goes to the one that sends fewer bytes") {
  const Choices all = choices("palm-540b", 64);
  WalkLoads walks;
  const Contest contest{decode(64, 2080), candidates(all, decode(64, 2080), walks)};
  const std::vector<Candidate>& found = contest.candidates;
  const std::optional<Choice> choice = choose(all, contest);
  REQUIRE(choice);
  const Candidate& best = found[choice->best];
  CHECK(best.time_s() <= found[0].time_s() * (1 + close_call));
  for (std::size_t i = 0; i < found.size() && found[i].time_s() <= found[0].time_s() * (1 + close_call); ++i)
    CHECK(bytes_per_chip(all, found[i]) >= bytes_per_chip(all, best) * (1 - 1e-9));
  REQUIRE(choice->next);
  CHECK(choice->is_close());
  CHECK(to_text(found[*choice->next].layout) != to_text(best.layout));
  CHECK(choice->margin == doctest::Approx(found[*choice->next].time_s() / best.time_s() - 1));
}

TEST_CASE("the paper's choices: 2D and batch for decode, gathered weights for large prefill, heads for one prompt") {
  WalkLoads walks;
  Choices all = choices("palm-540b", 64);
  all.tori = {{4, 4, 4}};
  const auto chosen = [&](const Work& work) {
    const Contest contest{work, candidates(all, work, walks)};
    return contest.candidates[choose(all, contest).value().best].layout;
  };
  CHECK(ffn_name(chosen(decode(64, 2080))) == "ws2d");
  CHECK_FALSE(chosen(decode(64, 2080)).batch.empty());
  CHECK(ffn_name(chosen(decode(512, 2080))) == "ws2d");
  CHECK(chosen(prefill(1, 2048)).gathered.empty());
  CHECK_FALSE(chosen(prefill(512, 2048)).gathered.empty());
}

TEST_CASE("both phases share one copy of the weights") {
  const Choices all = choices("palm-540b", 64);
  WalkLoads walks;
  const Answer answer = decide({all, {prefill(512, 2048), decode(512, 2080)}, {}}, walks);
  REQUIRE(answer.is_complete());
  const Candidate &a = *answer.of(Phase::prefill)->chosen(), &b = *answer.of(Phase::decode)->chosen();
  CHECK(a.torus == b.torus);
  CHECK(a.layout.stored_E == b.layout.stored_E);
  CHECK(a.pass.program().layout.kv == b.pass.program().layout.kv);
  CHECK_FALSE(a.layout == b.layout);
}

TEST_CASE("where the choice flips, another layout is chosen") {
  Choices all = choices("palm-540b", 64);
  all.tori = {{4, 4, 4}};
  WalkLoads walks;
  const Work work = prefill(64, 2048);
  const Contest contest{work, candidates(all, work, walks)};
  const Candidate& best = contest.candidates[choose(all, contest).value().best];
  const std::vector<Flip> all_flips = flips(all, work, best, walks);
  CHECK_FALSE(all_flips.empty());
  for (const Flip& flip : all_flips) {
    CAPTURE(flip.in);
    CHECK(to_text(flip.to) != to_text(best.layout));
    if (flip.in != "batch") continue;
    Work then = work;
    then.batch = static_cast<std::int64_t>(flip.at);
    Choices roomy = all;
    roomy.chips[0].memory_bytes = 1e18;
    const Contest there{then, candidates(roomy, then, walks)};
    CHECK(to_text(there.candidates[choose(roomy, there).value().best].layout) == to_text(flip.to));
  }
}

TEST_CASE("what would change a choice is found for any chip, also one whose figures leave double when they are doubled") {
  Choices all = choices("smollm2-135m", 2);
  all.tori = {{2, 1, 1}};
  WalkLoads walks;
  const Work work = decode(4, 512);
  const Contest contest{work, candidates(all, work, walks)};
  const Candidate& best = contest.candidates[choose(all, contest).value().best];
  for (double Chip::*field : {&Chip::alpha_s, &Chip::link_bytes_per_s})
    for (const double value : {5e-324, 1e308}) {
      Choices odd = all;
      odd.chips[0].*field = value;
      for (const Flip& flip : flips(odd, work, best, walks)) CHECK(flip.at >= 0);
    }
}

TEST_CASE("a pass of all layers is priced from one layer of each kind") {
  const Choices all = choices("llama-3-8b", 8, "host");
  WalkLoads walks;
  const Work work = decode(8, 512);
  const Torus torus{2, 2, 2};
  const Layout layout = parse_layout("ws2d/head");
  const LoweredPass pass = lower_pass(all.config, all.chips[0], torus, layout, work.shape());
  REQUIRE(pass.kinds.size() == 1);
  CHECK(pass.kinds[0].layers == 32);
  ModelConfig shorter = all.config;
  shorter.layers = 8;
  const LoweredPass quarter = lower_pass(shorter, all.chips[0], torus, layout, work.shape());
  const PassCost whole = price_pass(pass, all.chips[0], DType::int8, DType::bf16, walks);
  const PassCost part = price_pass(quarter, all.chips[0], DType::int8, DType::bf16, walks);
  CHECK(whole.layers.time_s == doctest::Approx(4 * part.layers.time_s));
  CHECK(whole.outside.time_s == doctest::Approx(part.outside.time_s));
  const Memory m = pass_memory(pass, DType::int8, DType::bf16, 576, 4);
  const Memory q = pass_memory(quarter, DType::int8, DType::bf16, 576, 4);
  CHECK(m.kv == 4 * q.kv);
  CHECK(m.kv ==
        std::int64_t{32} * 8 * 1 * 576 * 2 * 128 * 2);  // layers, sequences, a head of 8 a chip, K and V in bf16
  const double more =
      static_cast<double>(all.config.parameters() - shorter.parameters()) / 8 * 34 / 32;  // 32 values and their scale
  CHECK(static_cast<double>(m.weights - q.weights) == doctest::Approx(more).epsilon(0.01));
  CHECK(pass_memory(pass, DType::int8, DType::bf16, 576, 2).activations == m.activations / 2);
}

TEST_CASE("of two kinds of layers each counts as often as it is there, and what is outside the layers once") {
  Choices all = choices("llama-3-8b", 8, "host");
  all.config.layers = 6;
  all.config.window = 64;
  all.config.full_every = 3;
  const Torus torus{2, 2, 2};
  const PassShape shape = decode(8, 512).shape();
  WalkLoads walks;
  for (const char* words : {"ws2d/head", "wg_x/batch"}) {
    const LoweredPass pass = lower_pass(all.config, all.chips[0], torus, parse_layout(words), shape);
    REQUIRE(pass.kinds.size() == 2);
    const Program whole = lower(all.config, torus, parse_layout(words), shape, all.chips[0].schedules);
    const auto held = [](const WeightUse&) { return DType::int8; };
    const PassPrice priced = price(whole, all.chips[0], held, DType::bf16, walks);
    const PassCost cost = price_pass(pass, all.chips[0], DType::int8, DType::bf16, walks);
    CHECK(cost.layers.time_s == doctest::Approx(priced.layers.time_s));
    CHECK(cost.outside.time_s == doctest::Approx(priced.outside.time_s));
    double sent = 0;
    for (const Step& s : whole.steps)
      if (communicates(s.op)) sent += sent_bytes(whole, s, held, 4);
    CHECK(bytes_sent(pass, DType::int8, 4) == doctest::Approx(sent));
    const Memory m = pass_memory(pass, DType::int8, DType::bf16, 576, 4);
    CHECK(m.weights == memory(whole, held, DType::bf16, 8, 576).weights);
  }
}

TEST_CASE("weights that are gathered are sent with their scales") {
  const Choices all = choices("llama-3-8b", 8, "host");
  const LoweredPass pass =
      lower_pass(all.config, all.chips[0], {2, 2, 2}, parse_layout("wg_xyz/batch"), prefill(8, 128).shape());
  const double bf16 = bytes_sent(pass, DType::bf16, 0), int8 = bytes_sent(pass, DType::int8, 0);
  CHECK(bf16 == doctest::Approx(2.0 * 7 / 8 * 218'103'808 * 32).epsilon(0.001));  // matrices of 32 layers, 7 of 8 blocks
  CHECK(int8 / bf16 == doctest::Approx(34.0 / 64).epsilon(0.001));
}
