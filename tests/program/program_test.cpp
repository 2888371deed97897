// What `lower` promises: partitions that fit, the steps of the paper, any torus.
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

std::vector<std::string> every_layout() {
  std::vector<std::string> all;
  for (const char* ffn : {"ws1d", "ws2d", "wg_x", "wg_xy", "wg_xyz", "wg_x@1d", "wg_xy@1d", "wg_xyz@1d"})
    for (const char* attention : {"head", "batch_x", "batch_xy", "batch"})
      all.push_back(std::string(ffn) + "/" + attention);
  return all;
}

// The partitions of the first value that the steps of a layer read or write under this name, one after the other.
std::string way_of(const Program& p, const std::string& value_name) {
  std::string way;
  for (const Step& s : p.steps) {
    if (s.layer != 0) continue;
    std::vector<ValueId> touched = s.in;
    touched.insert(touched.end(), s.via.begin(), s.via.end());
    touched.insert(touched.end(), s.out.begin(), s.out.end());
    for (const ValueId v : touched) {
      if (p.value(v).name != value_name) continue;
      const std::string word = to_text(p.value(v).partition) + "; ";
      if (!way.ends_with(word)) way += word;
    }
  }
  return way;
}

const Torus tori[] = {{1, 1, 1}, {2, 2, 2}, {3, 2, 1}, {1, 6, 2}, {5, 1, 1}, {2, 3, 2}, {4, 4, 4}};

}  // namespace

TEST_CASE("the 2D weight-stationary serial layer has the steps of the paper's appendix A.2") {
  const Program p = lower(model(Block::serial, 9, 3), {2, 2, 2}, parse_layout("ws2d/head"),
                          PassShape::uniform(Phase::prefill, 1, 4, 0, Output::greedy));
  CHECK(steps_of(p, 0) ==
        "all_gather zy; sum_squares; all_reduce x; norm; matmul_scatter x; all_gather zyx; store_kv; rotary; attend; "
        "gather_matmul x; reduce_scatter zy; add; "
        "all_gather zy; sum_squares; all_reduce x; norm; matmul_scatter x; activate; gather_matmul x; "
        "reduce_scatter zy; add; ");
  CHECK(to_text(p.value(p.steps[1].out[0]).partition) == "BLE_xzy");
}

TEST_CASE("the parallel layer shares one gather and one scatter") {
  const Program p = lower(model(Block::parallel, 8, 1), {2, 2, 2}, parse_layout("ws2d/head"),
                          PassShape::uniform(Phase::decode, 3, 1, 5, Output::greedy));
  CHECK(steps_of(p, 1) ==
        "all_gather zy; sum_squares; all_reduce x; norm; matmul_scatter x; all_gather zyx; store_kv; rotary; attend; "
        "activate; gather_matmul x; reduce_scatter zy; add; ");
}

TEST_CASE("the 1D layout sums no statistics and gathers all axes at once") {
  const Program p = lower(model(Block::parallel, 8, 8), {2, 2, 2}, parse_layout("ws1d/head"),
                          PassShape::uniform(Phase::decode, 3, 1, 5, Output::greedy));
  CHECK(steps_of(p, 1) ==
        "all_gather zyx; sum_squares; norm; matmul; store_kv; rotary; attend; activate; matmul_scatter zyx; add; ");
}

TEST_CASE("on one chip nothing moves") {
  for (const std::string& layout : every_layout()) {
    const Program p = lower(model(Block::serial, 9, 3), {1, 1, 1}, parse_layout(layout),
                            PassShape::uniform(Phase::prefill, 2, 4, 0, Output::greedy));
    CHECK(std::none_of(p.steps.begin(), p.steps.end(),
                       [](const Step& s) { return communicates(s.op) || s.op == Op::slice; }));
  }
}

TEST_CASE("weight-gathered layouts cut the tokens instead and move no activations within the feed-forward") {
  const auto program = [](const char* layout, std::int64_t B) {
    return lower(model(Block::parallel, 8, 8), {2, 2, 2}, parse_layout(layout),
                 PassShape::uniform(Phase::prefill, B, 16, 0, Output::greedy));
  };
  CHECK(steps_of(program("wg_xyz/batch", 8), 0) ==
        "sum_squares; norm; gather_weights zyx; store_kv; rotary; attend; activate; gather_weights zyx; add; ");
  CHECK(steps_of(program("wg_xy/batch_xy", 8), 0) ==
        "all_gather z; sum_squares; norm; gather_weights yx; store_kv; rotary; attend; activate; gather_weights yx; "
        "reduce_scatter z; add; ");
  // One prompt: its tokens are cut by length, and go to the heads for attention.
  const Program one = program("wg_xyz/head", 1);
  CHECK(way_of(one, "q") == "BL_xyzHQ; BLH_zyxQ; ");
  CHECK(way_of(one, "heads") == "BLH_zyxQ; BL_xyzHQ; ");
}

TEST_CASE("queries go to the cut of attention and back the shortest way") {
  const auto way = [](const char* layout, const char* value) {
    return way_of(lower(model(Block::serial, 8, 8), {2, 2, 2}, parse_layout(layout),
                        PassShape::uniform(Phase::prefill, 8, 4, 0, Output::greedy)),
                  value);
  };
  CHECK(way("ws2d/head", "q") == "BLH_zyQ (partialsum-x); BLH_zyxQ; ");
  CHECK(way("ws2d/batch_x", "q") == "BLH_zyQ (partialsum-x); B_xLH_zyQ; ");
  CHECK(way("ws2d/batch_xy", "q") == "BLH_zyQ (partialsum-x); B_xLH_zyQ; B_xyLH_zQ; ");
  CHECK(way("ws2d/batch", "q") == "BLH_zyQ (partialsum-x); B_xLH_zyQ; B_xyzLHQ; ");
  CHECK(way("ws2d/batch", "heads") == "B_xyzLHQ; B_xLH_zyQ; BLH_zyQ; ");
  CHECK(way("ws1d/batch", "q") == "BLH_zyxQ; B_xyzLHQ; ");
  CHECK(way("wg_x/head", "q") == "B_xLH_zyQ; BLH_zyxQ; ");
  CHECK(way("wg_x/batch", "q") == "B_xLH_zyQ; B_xyzLHQ; ");
  CHECK(way("wg_xyz/batch_x", "q") == "B_xyzLHQ; B_xLH_zyQ; ");
}

TEST_CASE("replicated keys and values are projected where attention needs them") {
  const auto program = [](const char* layout) {
    Layout l = parse_layout(layout);
    l.kv = KvStorage::replicated;
    return lower(model(Block::parallel, 8, 1), {2, 2, 2}, l,
                 PassShape::uniform(Phase::decode, 8, 1, 4, Output::greedy));
  };
  CHECK(way_of(program("ws2d/batch"), "k") == "B_XyzLC (partialsum-x); B_xyzLC; ");
  CHECK(way_of(program("ws2d/batch_x"), "k") == "B_XLC (partialsum-x); B_xLC; ");
  CHECK(way_of(program("ws2d/head"), "k") == "BLC (partialsum-x); BLC; ");
  CHECK(way_of(program("ws1d/batch"), "k") == "B_xyzLC; ");
  CHECK(way_of(program("wg_xyz/batch"), "k") == "B_xyzLC; ");
  try {
    program("wg_xy/head");
    FAIL("not refused");
  } catch (const Error& e) {
    CHECK(e.exit() == Exit::request);
    CHECK(std::string(e.what()).find("wg_xy/batch_xy") != std::string::npos);
  }
}

TEST_CASE("every value divides evenly and every buffer that lives has its own place, in any layout on any torus") {
  const ModelConfig models[] = {model(Block::serial, 9, 3), model(Block::parallel, 6, 1), model(Block::serial, 5, 5)};
  long long checked = 0, broken = 0;
  for (const Torus& torus : tori)
    for (const std::string& layout : every_layout())
      for (const Output output : {Output::none, Output::greedy, Output::candidates, Output::logits, Output::all_logits,
                                  Output::score})
        for (const std::int64_t B : {1, 3, 8}) {
          const ModelConfig& c = models[static_cast<std::size_t>(checked % 3)];
          const Program p = lower(c, torus, parse_layout(layout),
                                  PassShape::uniform(Phase::prefill, B, 5, 0, output,
                                                     output == Output::candidates ? 4 : 0));
          CAPTURE(layout);
          for (const Value& v : p.values)
            for (int d = 0; d < v.partition.dims(); ++d)
              broken += v.size[static_cast<std::size_t>(d)] % torus.size(v.partition[d].axes) != 0;
          // Two values that a step touches never overlap, unless one renames the other.
          const Buffers buffers = plan_buffers(p);
          for (const Step& step : p.steps) {
            std::vector<ValueId> touched = step.in;
            touched.insert(touched.end(), step.via.begin(), step.via.end());
            touched.insert(touched.end(), step.out.begin(), step.out.end());
            for (const ValueId a : touched)
              for (const ValueId b : touched) {
                if (p.value(a).storage == p.value(b).storage) continue;
                const auto at = [&](ValueId v) { return buffers.offset[static_cast<std::size_t>(v)]; };
                broken += at(a) + p.local_elements(a) > at(b) && at(b) + p.local_elements(b) > at(a);
              }
          }
          CHECK(broken == 0);
          ++checked;
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
    for (const int kv :
         kv_slots(p.sizes.heads, shard(p.torus, {Axis::z, Axis::y, Axis::x}, chip, p.sizes.heads.padded()))) {
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
  CHECK(text.find("matmul_scatter x   q k v") != std::string::npos);
  CHECK(text.find("each of layers 0 to 1") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') < 50);
}

TEST_CASE("explain says which layers are not as the one that it prints") {
  ModelConfig c = model(Block::serial, 9, 3);
  c.layers = 12;
  c.window = 8;
  c.full_every = 6;
  c.nope_every = 4;
  const std::string text = explain(lower(c, {1, 1, 1}, parse_layout("ws2d/head"),
                                         PassShape::uniform(Phase::decode, 1, 1, 4, Output::greedy)));
  CHECK(text.find("each of layers 0 to 11, but 2 see the whole context, 3 take no rotary step\n") != std::string::npos);
}
