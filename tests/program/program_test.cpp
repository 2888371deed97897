// What `lower` promises: partitions that fit, the steps of programs.md, any torus.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tsrun/program/buffers.hpp"
#include "tsrun/program/explain.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;

namespace {

ModelConfig model(Block block, std::int64_t H, std::int64_t K) {
  ModelConfig c;
  c.layers = 2;
  c.E = 72;
  c.F = 116;
  c.H = H;
  c.K = K;
  c.Q = 8;
  c.V = 131;
  c.context = 64;
  c.rope_dims = 8;
  c.block = block;
  return c;
}

std::string steps_of(const Program& p, int layer) {
  std::string all;
  for (const Step& s : p.steps)
    if (s.layer == layer) all += std::string(name(s.op)) + (s.axes.empty() ? "" : " " + to_text(s.axes)) + "; ";
  return all;
}

const Torus tori[] = {{1, 1, 1}, {2, 2, 2}, {3, 2, 1}, {1, 6, 2}, {5, 1, 1}, {2, 3, 2}, {4, 4, 4}};

}  // namespace

TEST_CASE("the 2D weight-stationary serial layer is that of programs.md") {
  const Program p = lower(model(Block::serial, 9, 3), {2, 2, 2}, parse_layout("ws2d/head"),
                          PassShape::uniform(Phase::prefill, 1, 4, 0, Output::greedy));
  CHECK(steps_of(p, 0) ==
        "all_gather zy; sum_squares; all_reduce x; norm; matmul; reduce_scatter x; all_gather zyx; store_kv; rotary; attend; "
        "all_gather x; matmul; reduce_scatter zy; add; "
        "all_gather zy; sum_squares; all_reduce x; norm; matmul; reduce_scatter x; activate; all_gather x; matmul; "
        "reduce_scatter zy; add; ");
  CHECK(to_text(p.value(p.steps[1].out[0]).partition) == "BLE_xzy");
}

TEST_CASE("the parallel layer shares one gather and one scatter") {
  const Program p = lower(model(Block::parallel, 8, 1), {2, 2, 2}, parse_layout("ws2d/head"),
                          PassShape::uniform(Phase::decode, 3, 1, 5, Output::greedy));
  CHECK(steps_of(p, 1) ==
        "all_gather zy; sum_squares; all_reduce x; norm; matmul; reduce_scatter x; all_gather zyx; store_kv; rotary; attend; "
        "activate; all_gather x; matmul; matmul; add; reduce_scatter zy; add; ");
}

TEST_CASE("the 1D layout sums no statistics and gathers all axes at once") {
  const Program p = lower(model(Block::parallel, 8, 8), {2, 2, 2}, parse_layout("ws1d/head"),
                          PassShape::uniform(Phase::decode, 3, 1, 5, Output::greedy));
  CHECK(steps_of(p, 1) ==
        "all_gather zyx; sum_squares; norm; matmul; store_kv; rotary; attend; activate; matmul; matmul; add; "
        "reduce_scatter zyx; add; ");
}

TEST_CASE("on one chip nothing moves") {
  for (const char* layout : {"ws1d/head", "ws2d/head"}) {
    const Program p = lower(model(Block::serial, 9, 3), {1, 1, 1}, parse_layout(layout),
                            PassShape::uniform(Phase::prefill, 2, 4, 0, Output::greedy));
    CHECK(std::none_of(p.steps.begin(), p.steps.end(), [](const Step& s) { return is_collective(s.op); }));
  }
}

TEST_CASE("every value divides evenly and every buffer that lives has its own place, on any torus") {
  for (const Torus& torus : tori)
    for (const char* layout : {"ws1d/head", "ws2d/head"})
      for (const Output output : {Output::none, Output::greedy, Output::logits, Output::all_logits, Output::score})
        for (const ModelConfig& c : {model(Block::serial, 9, 3), model(Block::parallel, 6, 1), model(Block::serial, 5, 5)}) {
          const Program p = lower(c, torus, parse_layout(layout), PassShape::uniform(Phase::prefill, 3, 5, 0, output));
          for (std::size_t v = 0; v < p.values.size(); ++v)
            for (int d = 0; d < p.values[v].partition.dims(); ++d) {
              const auto cut = torus.size(p.values[v].partition[d].axes);
              CHECK(p.values[v].size[static_cast<std::size_t>(d)] % cut == 0);
            }
          // Two values that a step touches never overlap, unless one renames the other.
          const Buffers buffers = plan_buffers(p);
          for (const Step& step : p.steps) {
            std::vector<ValueId> touched = step.in;
            touched.insert(touched.end(), step.out.begin(), step.out.end());
            for (const ValueId a : touched)
              for (const ValueId b : touched) {
                if (p.value(a).storage == p.value(b).storage) continue;
                const auto at = [&](ValueId v) { return buffers.offset[static_cast<std::size_t>(v)]; };
                CHECK((at(a) + p.local_elements(a) <= at(b) || at(b) + p.local_elements(b) <= at(a)));
              }
          }
        }
}

TEST_CASE("a layout whose steps are not built is refused with the nearest that is") {
  try {
    lower(model(Block::serial, 9, 3), {2, 2, 2}, parse_layout("wg_xy/batch"), PassShape::uniform(Phase::prefill, 1, 1, 0, Output::none));
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.exit() == Exit::request);
    CHECK(std::string(e.what()).find("ws2d/head") != std::string::npos);
  }
}

TEST_CASE("key/value heads are gathered only as far as a chip's query heads need them") {
  // 9 heads over 3 on 6 chips pad to 12 positions, two a chip.
  const Program p = lower(model(Block::serial, 9, 3), {3, 2, 1}, parse_layout("ws2d/head"),
                          PassShape::uniform(Phase::decode, 1, 1, 0, Output::greedy));
  CHECK(p.kv_slots == 1);
  const auto stored = std::find_if(p.steps.begin(), p.steps.end(), [](const Step& s) { return s.op == Op::store_kv; });
  for (int rank = 0; rank < 6; ++rank) {
    const Coord chip = coord_of(p.torus, rank);
    const Range columns = shard(p.torus, p.value(stored->in[0]).partition.axes(Dim::C), chip, p.sizes.C);
    for (const int kv : kv_slots(p.sizes.heads, shard(p.torus, {Axis::z, Axis::y, Axis::x}, chip, p.sizes.heads.padded()))) {
      CHECK(columns.begin <= kv * 8);
      CHECK(columns.end >= kv * 8 + 8);
    }
  }
}

TEST_CASE("explain prints each kind of layer once, with partitions before and after") {
  const Program p = lower(model(Block::serial, 9, 3), {2, 2, 2}, parse_layout("ws2d/head"),
                          PassShape::uniform(Phase::prefill, 1, 4, 0, Output::greedy));
  const std::string text = explain(p);
  CHECK(text.find("prefill on torus 2x2x2, ws2d/head") == 0);
  CHECK(text.find("all_gather zy      x              BLE_xzy -> BLE_x") != std::string::npos);
  CHECK(text.find("reduce_scatter x   q k v") != std::string::npos);
  CHECK(text.find("each of layers 0 to 1") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') < 50);
}
