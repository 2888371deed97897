// What a chip must hold, against the paper's table 1 and by hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

#include "tsrun/cost/memory.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;

namespace {

ModelConfig palm_540b(std::int64_t H, std::int64_t K, std::int64_t Q) {
  ModelConfig c;
  c.block = Block::parallel;
  c.layers = 118;
  c.E = 18432;
  c.F = 73728;
  c.H = H;
  c.K = K;
  c.Q = Q;
  c.V = 256000;
  c.context = 1 << 20;
  c.rope_dims = Q;
  return c;
}

}  // namespace

TEST_CASE("the longest contexts of table 1: 30 % of 32 GiB on 64 chips, bf16") {
  const double bytes = 0.3 * 32 * std::pow(1024.0, 3);
  const auto longest = [&](const ModelConfig& c, const char* layout, std::int64_t batch) {
    return max_context(c, kv_cut(c, {4, 4, 4}, parse_layout(layout), batch), DType::bf16, bytes);
  };
  const ModelConfig multihead = palm_540b(64, 64, 128), multiquery = palm_540b(64, 1, 256);
  CHECK(longest(multihead, "ws2d/head", 128) == 1332);
  CHECK(longest(multihead, "ws2d/head", 512) == 333);
  CHECK(longest(multiquery, "ws2d/head", 128) == 666);
  CHECK(longest(multiquery, "ws2d/head", 512) == 166);
  CHECK(longest(multiquery, "ws2d/batch", 128) == 42653);
  CHECK(longest(multiquery, "ws2d/batch", 512) == 10663);
}

TEST_CASE("a chip's weights are its share of the model") {
  ModelConfig c = palm_540b(12, 12, 8);
  c.layers = 1;
  c.E = 96;
  c.F = 192;
  c.V = 144;
  c.block = Block::serial;
  const Memory m = memory(lower(c, {2, 2, 2}, parse_layout("ws2d/head"), PassShape::uniform(Phase::decode, 4, 1, 0, Output::greedy)),
                          [](const WeightUse&) { return DType::bf16; }, DType::bf16, 4, 64);
  // All matrices divide here but for the heads (12 to 16); vectors are whole.
  const double matrices = 3.0 * 96 * 192 + 2 * 96 * 128 + 2 * 96 * 96 + 2 * 144 * 96;
  CHECK(static_cast<double>(m.weights) == doctest::Approx(matrices * 2 / 8 + 3 * 96 * 4));
  CHECK(m.peak() == m.weights + m.kv + m.activations + m.staging + m.results);
  CHECK(m.results == 4 * 4);  // an id of each sequence
}

TEST_CASE("what a pass gives back is counted as often as it is there: as a value of the pass, and as its copy") {
  const ModelConfig c = palm_540b(64, 1, 256);
  const auto of = [&](Output output) {
    const auto shape = PassShape::uniform(Phase::prefill, 2, 16, 0, output, output == Output::candidates ? 5 : 0);
    return memory(lower(c, {2, 2, 2}, parse_layout("ws2d/head"), shape), [](const WeightUse&) { return DType::bf16; },
                  DType::bf16, 2, 16);
  };
  CHECK(of(Output::none).results == 0);
  CHECK(of(Output::logits).results == 2 * c.V * 4);
  CHECK(of(Output::all_logits).results == 2 * 16 * c.V * 4);
  CHECK(of(Output::candidates).results == 2 * 8 * 5 * 2 * 4);  // of each chip, a logit and an id
  const Memory m = of(Output::all_logits);
  CHECK(m.at_work() == m.kv + m.gathered + m.of_pass());
  CHECK(m.of_pass() > 2 * m.results);
}

TEST_CASE("a moved cache takes buffers for one layer of what leaves a chip and of what comes to it") {
  const ModelConfig c = palm_540b(64, 1, 256);
  const Torus torus{4, 1, 1};
  const KvCut by_heads = kv_cut(c, torus, parse_layout("ws2d/head"), 4);
  const KvCut by_batch = kv_cut(c, torus, parse_layout("ws2d/batch"), 4);
  const std::vector<RowMove> rows = {{0, 0, 10}, {1, 1, 10}, {2, 2, 10}, {3, 3, 10}};
  const std::int64_t of_row = 2 * 10 * 256 * 2;
  // Every chip has all heads: what it needs is there, and copied head by head.
  CHECK(moving_bytes(c, plan_kv_movement(by_heads, by_batch, rows), DType::bf16) == of_row);
  // Each chip's row goes to three others, and the others' come to it.
  CHECK(moving_bytes(c, plan_kv_movement(by_batch, by_heads, rows), DType::bf16) == (3 + 3 + 1) * of_row);
  CHECK(moving_bytes(c, {}, DType::bf16) == 0);
}

TEST_CASE("what loading takes is given back before there is work, so the larger of the two counts") {
  Memory m{.process = 5, .weights = 100, .window = 8, .window_seen = 64, .kv = 10, .activations = 20};
  CHECK(m.peak() == 5 + 100 + 30);
  CHECK(m.resident() == 5 + 100 + 64);
  m.kv = 1000;
  CHECK(m.peak() == m.resident());
  CHECK(m.peak() == 5 + 100 + 1020);
}

TEST_CASE("a multiquery cache falls with the chips when attention is cut over the batch, and not over heads") {
  const ModelConfig c = palm_540b(64, 1, 256);
  const auto bytes = [&](const Torus& torus, const char* layout) {
    return kv_bytes(c, kv_cut(c, torus, parse_layout(layout), 64), DType::bf16, 100);
  };
  for (const Torus& torus : {Torus{2, 2, 2}, Torus{4, 2, 1}, Torus{4, 4, 4}}) {
    CHECK(bytes(torus, "ws2d/head") == bytes({1, 1, 1}, "ws2d/head"));
    CHECK(bytes(torus, "ws2d/batch") * torus.size() == bytes({1, 1, 1}, "ws2d/head"));
    CHECK(bytes(torus, "ws2d/batch_x") * torus.X == bytes({1, 1, 1}, "ws2d/head"));
  }
}

TEST_CASE("a gathered tile is a part of the weights, and is counted") {
  const ModelConfig c = palm_540b(64, 1, 256);
  const auto of = [&](const char* layout) {
    return memory(lower(c, {4, 4, 4}, parse_layout(layout), PassShape::uniform(Phase::prefill, 64, 128, 0, Output::none)),
                  [](const WeightUse&) { return DType::bf16; }, DType::bf16, 64, 128);
  };
  const Memory stationary = of("ws2d/batch"), gathered = of("wg_xyz/batch");
  CHECK(stationary.gathered == 0);
  CHECK(gathered.gathered > 0);
  CHECK(gathered.gathered < 2 * c.E * c.F / 10);  // one matrix in bf16 is 2 E F bytes
  CHECK(gathered.weights == stationary.weights);
}
