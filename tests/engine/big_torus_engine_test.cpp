// 64 ranks, 4x4x4: golden models, most of which have fewer heads than there are chips.
#include "layout_runs.hpp"

using namespace tsrun;
using namespace tsrun::test;

TEST_CASE("f32 logits on 64 ranks are within 1e-4 of the reference's deviation") {
  for (const std::string& name : golden_names()) {
    CAPTURE(name);
    const GoldenFile file(name);
    const auto golden = golden_sequences(name);
    const Mesh mesh({4, 4, 4}, 120);
    for (const char* layout : {"ws1d/head", "ws2d/head"}) {
      CAPTURE(layout);
      Engine engine(*file, plan_for(file, mesh.torus(), layout, 1), mesh);
      CHECK_NEAR(logits_of(engine, golden[1].ids), golden[1].logits, 1e-4);
      check_traffic(engine);
    }
  }
}

TEST_CASE("every layout on 64 ranks") {
  for (const char* name : {"llama_gqa", "palm"}) {
    CAPTURE(name);
    const GoldenFile file(name);
    const auto golden = golden_sequences(name);
    const Mesh mesh({4, 4, 4}, 120);
    for (const std::string& layout : with_attention({"ws1d", "ws2d", "wg_x", "wg_xy", "wg_xyz"})) {
      CAPTURE(layout);
      Engine engine(*file, plan_for(file, mesh.torus(), layout.c_str(), 1), mesh);
      CHECK_NEAR(logits_of(engine, golden[1].ids), golden[1].logits, 1e-4);
      check_traffic(engine);
    }
  }
}
