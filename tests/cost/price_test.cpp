// What a program costs: identities that hold whatever the chip, each term in closed form on a chip with round numbers, and
// the closed form whose constants are fitted to TPU v4. Last, that the paper's own figures belong together.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tsrun/cost/memory.hpp"
#include "tsrun/cost/price.hpp"
#include "tsrun/import/chip_file.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;

namespace {

Chip round_chip() {
  Chip c;
  c.bf16_flops = 1e14;
  c.int8_flops = 2e14;
  c.f32_flops = 1e13;
  c.memory_bytes_per_s = 1e12;
  c.link_bytes_per_s = 1e10;
  c.efficiency = 0.5;
  c.alpha_s = 1e-6;
  c.call_s = 1e-5;
  c.passes = 4;
  c.activation_bytes = 2;
  c.fused = Fused::max;
  c.overlap = {Axis::x};
  c.schedules.all_gather = c.schedules.reduce_scatter = c.schedules.reduce_scatter_tokens = ScheduleName::balanced;
  c.schedules.all_reduce = ScheduleName::balanced;
  return c;
}

// Sizes that the tori here cut without padding.
ModelConfig sized(Block block, std::int64_t K) {
  ModelConfig c;
  c.block = block;
  c.layers = 2;
  c.E = 512;
  c.F = 2048;
  c.H = 64;
  c.K = K;
  c.Q = 64;
  c.V = 4096;
  c.context = 4096;
  c.rope_dims = 64;
  return c;
}
const ModelConfig palm_like = sized(Block::parallel, 1), llama_like = sized(Block::serial, 16);

DType bf16(const WeightUse&) { return DType::bf16; }

struct Priced {
  Priced(const ModelConfig& c, const Torus& t, const char* layout, const Chip& chip, Output output = Output::all_logits,
         Phase phase = Phase::prefill)
      : program(lower(c, t, parse_layout(layout), PassShape::uniform(phase, 64, phase == Phase::prefill ? 16 : 1, 32, output),
                      chip.schedules)),
        pass(price(program, chip, bf16, DType::bf16)) {}
  // The first step of this op that multiplies with this weight first.
  const StepPrice& of(Op op, Weight first) const {
    for (std::size_t i = 0; i < program.steps.size(); ++i)
      if (const Step& s = program.steps[i]; s.op == op && !s.weights.empty() && s.weights[0].weight == first)
        return pass.steps[i];
    FAIL("no such step");
    return pass.steps[0];
  }
  Program program;
  PassPrice pass;
};

const char* const layouts[] = {"ws1d/head", "ws1d/batch", "ws2d/head", "ws2d/batch", "wg_xy/batch", "wg_xyz/batch"};

template <class Visit>
void each_priced(const Chip& chip, Visit visit) {
  for (const ModelConfig& c : {palm_like, llama_like})
    for (const Torus& t : {Torus{1, 1, 1}, Torus{4, 1, 1}, Torus{2, 2, 2}, Torus{4, 4, 4}})
      for (const char* layout : layouts) {
        CAPTURE(word(c.block));
        CAPTURE(to_text(t));
        CAPTURE(layout);
        visit(Priced(c, t, layout, chip));
      }
}

bool multiplies(const Step& s) { return s.op == Op::matmul || (communicates(s.op) && !is_collective(s.op)); }

bool same(double a, double b) { return std::abs(a - b) <= 1e-12 * std::max({std::abs(a), std::abs(b), 1e-9}); }

}  // namespace

TEST_CASE("a pass is the sum of its steps, and a step without a product is what it exposes and its latency") {
  each_priced(round_chip(), [](const Priced& p) {
    StepPrice sum;
    for (std::size_t i = 0; i < p.pass.steps.size(); ++i) {
      const StepPrice& s = p.pass.steps[i];
      const Step& step = p.program.steps[i];
      sum += s;
      CHECK(s.exposed_communication_s <= s.communication_s);
      CHECK(s.exposed_communication_s >= 0);
      if (is_collective(step.op)) CHECK(same(s.time_s, s.exposed_communication_s + s.latency_s));
      if (!communicates(step.op) && !multiplies(step) && step.op != Op::attend) CHECK(s.time_s == 0);
    }
    CHECK(same(sum.time_s, p.pass.time_s()));
    for (const auto field : {&StepPrice::compute_s, &StepPrice::memory_s, &StepPrice::communication_s,
                             &StepPrice::exposed_communication_s, &StepPrice::latency_s, &StepPrice::flops})
      CHECK(same(sum.*field, p.pass.layers.*field + p.pass.outside.*field));
  });
}

TEST_CASE("all products together compute 2 T parameters / chips") {
  each_priced(round_chip(), [](const Priced& p) {
    double flops = 0, compute_s = 0;
    for (std::size_t i = 0; i < p.pass.steps.size(); ++i)
      if (multiplies(p.program.steps[i])) {
        flops += p.pass.steps[i].flops;
        compute_s += p.pass.steps[i].compute_s;
      }
    const ModelConfig& c = p.program.config;
    const double E = 512, F = 2048, H = 64, Q = 64, V = 4096, K = static_cast<double>(c.K);
    const double parameters = 2 * (3 * E * F + 2 * E * H * Q + 2 * E * K * Q) + E * V;
    CHECK(same(flops, 2 * 64 * 16 * parameters / p.program.torus.size()));
    CHECK(same(compute_s, flops / (0.5 * 1e14)));
  });
}

TEST_CASE("weights are read once, and where they are gathered written and read whole") {
  Chip chip = round_chip();
  chip.passes = 0;
  each_priced(chip, [](const Priced& p) {
    double read_s = 0, expected = 0;
    for (std::size_t i = 0; i < p.pass.steps.size(); ++i) {
      const Step& s = p.program.steps[i];
      if (!multiplies(s)) continue;
      read_s += p.pass.steps[i].memory_s;
      const double times = s.op == Op::gather_weights ? 2.0 * p.program.torus.size(s.axes) : 1;
      for (const WeightUse& w : s.weights)
        expected += times * static_cast<double>(weight_bytes(p.program.config, p.program.torus, p.program.sizes, w, DType::bf16));
    }
    CHECK(same(read_s, expected / (0.5 * 1e12)));
  });
  // By hand, where nothing is gathered: two bytes of every parameter, cut over all chips.
  const Priced p(palm_like, {4, 4, 4}, "ws2d/batch", chip);
  double read_s = 0;
  for (std::size_t i = 0; i < p.pass.steps.size(); ++i)
    if (multiplies(p.program.steps[i])) read_s += p.pass.steps[i].memory_s;
  const double parameters = 2.0 * (3 * 512 * 2048 + 2 * 512 * 64 * 64 + 2 * 512 * 64) + 512 * 4096;
  CHECK(same(read_s, 2 * parameters / 64 / (0.5 * 1e12)));
}

TEST_CASE("a collective takes a call, its hops and its bytes: closed forms on rings of four chips") {
  for (const ModelConfig& c : {palm_like, llama_like})
    for (const char* layout : layouts) {
      const Priced p(c, {4, 4, 4}, layout, round_chip());
      for (std::size_t i = 0; i < p.pass.steps.size(); ++i) {
        const Step& s = p.program.steps[i];
        if (!is_collective(s.op)) continue;
        CAPTURE(layout);
        CAPTURE(name(s.op));
        double V = 0;  // bytes of the gathered or unreduced values
        for (const ValueId v : s.op == Op::all_gather ? s.out : s.in) V += 2.0 * static_cast<double>(p.program.local_elements(v));
        const int d = s.axes.size();
        const double halved = V * (1 - std::pow(0.25, d)) / 2;
        double hops = 2 * d, bytes = halved;
        if (s.op == Op::all_reduce) hops = 4 * d, bytes = 2 * halved;
        // To the chips beside, one hop; then to the opposite one, all one way.
        if (s.op == Op::all_to_all) hops = 3 * d, bytes = d * V * (0.25 + 2 * 0.25);
        CHECK(same(p.pass.steps[i].latency_s, 1e-5 + hops * 1e-6));
        CHECK(same(p.pass.steps[i].communication_s, bytes / 1e10));
      }
    }
}

TEST_CASE("a product with a loop along x beside it: the longer of the two, or chunk by chunk") {
  const double T = 64 * 16, E = 512, F = 2048, columns = 64 * 64 + 2 * 64 + 2 * F;  // q, k, v, gate and hidden
  const double product = std::hypot(2 * T * E * columns / 64 / (0.5 * 1e14), 2 * E * columns / 64 / (0.5 * 1e12));
  const double passes = 4 * 2 * (T * E / 4 + T * (64 * 64 + 2 * F) / 16) / (0.5 * 1e12), V = 2 * T * columns / 16;
  for (const double rate : {1e9, 1e10, 3e10, 1e11, 1e13}) {
    Chip chip = round_chip();
    chip.link_bytes_per_s = rate;
    const StepPrice longer = Priced(palm_like, {4, 4, 4}, "ws2d/batch", chip).of(Op::matmul_scatter, Weight::attn_q);
    CHECK(same(longer.time_s, std::max(product, V * 0.375 / rate) + 2e-6 + 1e-5 + passes));
    CHECK(same(longer.exposed_communication_s, std::max(0.0, V * 0.375 / rate - product)));
    // Two rounds: of whole blocks both ways, and of halves of the opposite one.
    chip.fused = Fused::chunked;
    const StepPrice chunked = Priced(palm_like, {4, 4, 4}, "ws2d/batch", chip).of(Op::matmul_scatter, Weight::attn_q);
    const auto beside = [&](double load) { return std::max(product / 3, 1e-6 + V * load / rate); };
    CHECK(same(chunked.time_s, product / 3 + beside(0.25) + beside(0.125) + 1e-5 + passes));
    const auto exposed = [&](double load) { return std::max(0.0, V * load / rate - product / 3); };
    CHECK(same(chunked.exposed_communication_s, exposed(0.25) + exposed(0.125)));
  }
}

TEST_CASE("a weight gather walks one way, at the chip's efficiency, beside the product over all axes") {
  const double rows = 64 * 16 / 64.0, E = 512, columns = 64 * 64 + 2 * 64 + 2 * 2048;
  const double bytes = 2 * E * columns, product = std::hypot(2 * rows * E * columns / (0.5 * 1e14), 2 * bytes / (0.5 * 1e12));
  const double passes = 4 * 2 * rows * (E + 64 * 64 + 2 * 2048) / (0.5 * 1e12);
  for (const double rate : {1e9, 1e11, 1e13}) {
    Chip chip = round_chip();
    chip.link_bytes_per_s = rate;
    const StepPrice longer = Priced(palm_like, {4, 4, 4}, "wg_xyz/batch", chip).of(Op::gather_weights, Weight::attn_q);
    const double gather = bytes * 63 / 64 / (0.5 * rate);
    CHECK(same(longer.time_s, std::max(product, gather) + 9e-6 + 1e-5 + passes));
    chip.fused = Fused::chunked;
    const StepPrice chunked = Priced(palm_like, {4, 4, 4}, "wg_xyz/batch", chip).of(Op::gather_weights, Weight::attn_q);
    double sum = product / 10;
    for (const double load : {1.0 / 64, 4.0 / 64, 16.0 / 64}) sum += 3 * std::max(product / 10, 1e-6 + bytes * load / (0.5 * rate));
    CHECK(same(chunked.time_s, sum + 1e-5 + passes));
  }
}

TEST_CASE("with the longer of two, a step takes its product, what it exposes and its latency; no gather hides twice") {
  Chip chip = round_chip();
  chip.passes = 0;
  for (const AxisSet overlap : {AxisSet{}, AxisSet{Axis::x}, AxisSet{Axis::x, Axis::y}, axes_xyz}) {
    chip.overlap = overlap;
    each_priced(chip, [](const Priced& p) {
      for (std::size_t i = 0; i < p.pass.steps.size(); ++i) {
        const StepPrice& s = p.pass.steps[i];
        CAPTURE(name(p.program.steps[i].op));
        if (p.program.steps[i].op == Op::attend) CHECK(same(s.time_s, s.compute_s + s.memory_s));
        else CHECK(same(s.time_s, std::hypot(s.compute_s, s.memory_s) + s.exposed_communication_s + s.latency_s));
        const Step& step = p.program.steps[i];
        if (step.op == Op::all_gather && step.dims[0] != Dim::E) CHECK(s.exposed_communication_s == s.communication_s);
      }
    });
  }
}

TEST_CASE("the gather before a product hides as much as the product leaves beside its own movement") {
  Chip chip = round_chip();
  chip.passes = 0;
  const double T = 64 * 16, E = 512, columns = 64 * 64 + 2 * 64 + 2 * 2048;
  const double product = std::hypot(2 * T * E * columns / 64 / (0.5 * 1e14), 2 * E * columns / 64 / (0.5 * 1e12));
  for (const double rate : {1e9, 1e11, 1e13}) {
    chip.link_bytes_per_s = rate;
    const Priced p(palm_like, {4, 4, 4}, "ws1d/batch", chip);
    const auto gather = std::find_if(p.program.steps.begin(), p.program.steps.end(),
                                     [](const Step& s) { return s.layer == 0 && s.op == Op::all_gather; });
    const StepPrice& s = p.pass.steps[static_cast<std::size_t>(gather - p.program.steps.begin())];
    // x is gathered last, with all the bytes; y and z before it.
    const double along_x = 2 * T * E * 0.375 / rate, before = 2 * T * E * (15 / 64.0) / 2 / rate;
    CHECK(same(s.exposed_communication_s, before + std::max(0.0, along_x - product)));
  }
}

TEST_CASE("attention multiplies all queries with all positions and reads the cache once") {
  for (const Phase phase : {Phase::prefill, Phase::decode}) {
    const double L = phase == Phase::prefill ? 16 : 1, positions = 32 + L;
    const auto attend = [&](const ModelConfig& c, const char* layout) {
      const Priced p(c, {4, 4, 4}, layout, round_chip(), Output::greedy, phase);
      for (std::size_t i = 0; i < p.pass.steps.size(); ++i)
        if (p.program.steps[i].op == Op::attend) return p.pass.steps[i];
      return StepPrice{};
    };
    for (const ModelConfig& c : {palm_like, llama_like})
      for (const char* layout : {"ws2d/head", "ws2d/batch", "wg_xyz/batch"}) {
        const StepPrice s = attend(c, layout);
        CHECK(same(s.flops, 4 * 64 * L * 64 * 64 * positions / 64));
        CHECK(same(s.compute_s, s.flops / (0.5 * 1e14)));
      }
    const double head = 64 * positions * 2 * 64 * 2 / (0.5 * 1e12);  // one key/value head of all sequences
    CHECK(same(attend(palm_like, "ws2d/head").memory_s, head));
    CHECK(same(attend(llama_like, "ws2d/head").memory_s, head));  // 16 heads on 64 chips: one on each
    CHECK(same(attend(palm_like, "ws2d/batch").memory_s, head / 64));
    CHECK(same(attend(llama_like, "ws2d/batch").memory_s, head * 16 / 64));
  }
}

TEST_CASE("walks that are known already price alike") {
  WalkLoads walks;
  each_priced(round_chip(), [&](const Priced& p) {
    const PassPrice again = price(p.program, round_chip(), bf16, DType::bf16, walks);
    CHECK(again.time_s() == p.pass.time_s());
  });
}

TEST_CASE("twice the rate is half the term") {
  const Chip chip = round_chip();
  const auto priced = [](const Chip& c) { return Priced(llama_like, {4, 4, 4}, "ws2d/batch", c).pass.layers; };
  const StepPrice base = priced(chip);
  const auto changed = [&](double Chip::* rate, double StepPrice::* term) {
    Chip other = chip;
    other.*rate *= 2;
    const StepPrice s = priced(other);
    CHECK(same(s.*term, base.*term / 2));
    for (const auto field : {&StepPrice::compute_s, &StepPrice::memory_s, &StepPrice::communication_s, &StepPrice::latency_s})
      if (field != term) CHECK(same(s.*field, base.*field));
    CHECK(s.time_s < base.time_s);
  };
  changed(&Chip::bf16_flops, &StepPrice::compute_s);
  changed(&Chip::memory_bytes_per_s, &StepPrice::memory_s);
  changed(&Chip::link_bytes_per_s, &StepPrice::communication_s);
  Chip slow = chip;
  slow.alpha_s *= 2;
  slow.call_s *= 2;
  CHECK(same(priced(slow).latency_s, base.latency_s * 2));
}

TEST_CASE("int8 weights are half the bytes, and multiplied at their own rate; f32 activations are twice the bytes") {
  const Program p = lower(palm_like, {2, 2, 2}, parse_layout("ws2d/batch"), PassShape::uniform(Phase::decode, 64, 1, 32, Output::greedy));
  Chip chip = round_chip();
  chip.passes = 0;
  const auto layers = [&](DType held) { return price(p, chip, [&](const WeightUse&) { return held; }, DType::bf16).layers; };
  const StepPrice wide = layers(DType::bf16), narrow = layers(DType::int8);
  CHECK(narrow.flops == wide.flops);
  CHECK(narrow.compute_s < wide.compute_s);
  CHECK(narrow.communication_s == wide.communication_s);
  const double weights = 2.0 * (3 * 512 * 2048 + 2 * 512 * 64 * 64 + 2 * 512 * 64) / 8;
  CHECK(same(wide.memory_s - narrow.memory_s, weights / (0.5 * 1e12)));
  chip.activation_bytes = 4;
  CHECK(same(layers(DType::bf16).communication_s, 2 * wide.communication_s));
}

TEST_CASE("what a pass takes outside its layers is the unembedding and what the chip says") {
  Chip chip = round_chip();
  chip.pass_s = 0.25;
  const Priced p(palm_like, {4, 4, 4}, "ws2d/batch", chip, Output::greedy, Phase::decode);
  const double E = 512, V = 4096;
  const double unembedding = std::hypot(2 * 64 * E * V / 64 / (0.5 * 1e14), 2 * E * V / 64 / (0.5 * 1e12));
  CHECK(p.pass.outside.time_s == doctest::Approx(0.25 + unembedding));
  CHECK(p.pass.outside.latency_s == 0.25);
  CHECK(p.pass.outside.communication_s == 0);
  chip.pass_s = 0;
  CHECK(Priced(palm_like, {4, 4, 4}, "ws2d/batch", chip, Output::greedy, Phase::decode).pass.outside.communication_s > 0);
}

namespace {

// The program of the code released with the paper: one key/value head whole on every chip, queries
// through the heads, heads padded to `heads`.
Program released(const std::string& model, const Torus& torus, const char* layout_name, int heads, const PassShape& shape,
                 const Chip& chip) {
  ModelConfig c = read_hf_config(std::string(TSRUN_SOURCE_DIR "/data/models/") + model + ".json");
  c.layers = 1;
  Layout layout = parse_layout(layout_name);
  layout.kv = KvStorage::replicated;
  layout.q_through_heads = true;
  layout.heads_cut = heads;
  return lower(c, torus, layout, shape, chip.schedules);
}

struct Point {
  const char* model;
  Torus torus;
  const char* layout;
  int heads;
  PassShape shape;
  DType weights;
  double form_us;  // of a layer in closed form, without hops and calls
  double hops, calls;
};
PassShape prefill(std::int64_t B) { return PassShape::uniform(Phase::prefill, B, 2048, 0, Output::greedy); }
PassShape decode(std::int64_t B) { return PassShape::uniform(Phase::decode, B, 1, 2080, Output::greedy); }

}  // namespace

// Hops and calls are the program's, counted by hand over its collectives. The form has none of the calls for norms and
// keys and values in 2D, none of the hops of weight gathers, and fewer hops of an all_to_all on lines of four.
TEST_CASE("a layer of PaLM takes what the closed form says, at the points of tables 2 and 3 and in 1D") {
  Chip chip = read_chip(TSRUN_SOURCE_DIR "/data/chips/tpu_v4.json");
  chip.efficiency = 0.853;
  chip.passes = 6.98;
  const Point points[] = {
      {"palm-540b", {4, 4, 4}, "ws2d/head", 64, prefill(1), DType::int8, 2423.06, 20, 6},
      {"palm-540b", {4, 4, 4}, "ws2d/batch", 64, decode(64), DType::int8, 123.25, 36, 8},
      {"palm-540b", {4, 4, 4}, "wg_xyz/batch", 64, prefill(512), DType::bf16, 729819, 21, 3},
      {"palm-540b", {4, 4, 4}, "ws2d/batch", 64, decode(512), DType::bf16, 667.265, 36, 8},
      {"palm-62b", {2, 4, 2}, "ws2d/head", 32, prefill(1), DType::int8, 2398.9, 14, 6},
      {"palm-62b", {2, 4, 2}, "ws2d/batch", 32, decode(32), DType::int8, 89.3865, 27, 8},
      {"palm-62b", {4, 2, 4}, "wg_xyz/batch", 32, prefill(512), DType::bf16, 331666, 17, 3},
      {"palm-62b", {2, 2, 2}, "ws2d/batch", 32, decode(512), DType::bf16, 1188.25, 15, 8},
      {"palm-540b", {4, 4, 4}, "ws1d/batch", 64, decode(64), DType::int8, 143.838, 30, 4},
      {"palm-540b", {4, 4, 4}, "ws1d/head", 64, decode(64), DType::int8, 272.807, 12, 2},
      {"palm-540b", {4, 4, 4}, "ws1d/head", 64, prefill(1), DType::int8, 3017.99, 12, 2}};
  for (const Point& point : points) {
    CAPTURE(point.model);
    CAPTURE(std::string(point.layout));
    CAPTURE(to_text(point.torus));
    const auto layer = [&](double alpha_s, double call_s) {
      chip.alpha_s = alpha_s;
      chip.call_s = call_s;
      return price(released(point.model, point.torus, point.layout, point.heads, point.shape, chip), chip,
                   [&](const WeightUse&) { return point.weights; }, DType::bf16)
          .layers;
    };
    CHECK(layer(0, 0).time_s == doctest::Approx(point.form_us * 1e-6).epsilon(0.02));
    CHECK(layer(1, 0).latency_s == doctest::Approx(point.hops));
    CHECK(layer(0, 1).latency_s == doctest::Approx(point.calls));
  }
}

namespace {

// A table of data/paper: its rows by the names of the columns, each cell as printed.
using Row = std::map<std::string, std::string>;
std::vector<Row> table(const std::string& file) {
  std::ifstream in(TSRUN_SOURCE_DIR "/data/paper/" + file);
  REQUIRE(in.good());
  const auto cells = [&in] {
    std::vector<std::string> words;
    std::string line;
    std::getline(in, line);
    std::istringstream rest(line);
    for (std::string word; std::getline(rest, word, ',');) words.push_back(word);
    return words;
  };
  const std::vector<std::string> names = cells();
  std::vector<Row> rows;
  for (std::vector<std::string> words = cells(); !words.empty(); words = cells()) {
    REQUIRE(words.size() == names.size());
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < names.size(); ++i) row[names[i]] = words[i];
  }
  return rows;
}

// What was rounded to a printed figure lies within half a unit of its last digit.
struct Printed {
  explicit Printed(const std::string& digits) : value(std::stod(digits)) {
    const std::size_t point = digits.find('.');
    half = 0.5 * (point == std::string::npos ? 1 : std::pow(10.0, -static_cast<double>(digits.size() - point - 1)));
  }
  double low() const { return value - half; }
  double high() const { return value + half; }
  double value, half;
};

// The paper counts with the sizes in its models' names.
double parameters(const Row& row) {
  const std::string& model = row.at("model");
  return 1e9 * std::stod(model.substr(model.find('-') + 1));
}

double percent(const Row& row, double tokens, double seconds, int chips) {
  Chip tpu_v4;
  tpu_v4.bf16_flops = 275e12;
  return 100 * mfu(parameters(row), tokens, seconds, chips, tpu_v4);
}

}  // namespace

TEST_CASE("tables 2 and 3: the latency printed, as MFU, is the MFU printed") {
  const std::vector<Row> rows = table("table2_3_operating_points.csv");
  CHECK(rows.size() == 8);
  for (const Row& row : rows) {
    CAPTURE(row.at("model"));
    CAPTURE(row.at("latency_s"));
    const double tokens = std::stod(row.at("batch")) * std::stod(row.at("tokens"));
    const Printed latency(row.at("latency_s")), share(row.at("mfu_percent"));
    const int chips = std::stoi(row.at("chips"));
    CHECK(percent(row, tokens, latency.high(), chips) <= share.high());
    CHECK(percent(row, tokens, latency.low(), chips) >= share.low());
  }
}

TEST_CASE("figure 1: latency, cost and MFU belong together, two FLOPs a parameter and token") {
  for (const bool is_decode : {true, false}) {
    const std::vector<Row> rows = table(is_decode ? "fig1_decode.csv" : "fig1_prefill.csv");
    CHECK(rows.size() == (is_decode ? 39 : 40));
    for (const Row& row : rows) {
      const double tokens = std::stod(row.at("batch_used")) * (is_decode ? 1 : 2048);
      const double seconds = is_decode ? std::stod(row.at("latency_ms_per_token")) / 1e3 : std::stod(row.at("latency_s"));
      const int chips = std::stoi(row.at("chips_used"));
      CAPTURE(row.at("model"));
      CAPTURE(seconds);
      // Points read off a figure: three or four digits.
      CHECK(seconds * chips / tokens * 1e3 == doctest::Approx(std::stod(row.at("cost_chip_ms_per_token"))).epsilon(2e-3));
      CHECK(percent(row, tokens, seconds, chips) == doctest::Approx(std::stod(row.at("mfu_percent"))).epsilon(3e-3));
    }
  }
}
