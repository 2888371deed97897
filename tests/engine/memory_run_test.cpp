// What a chip really holds: its part of the cache, and the most that it ever had resident against the prediction.
#include "layout_runs.hpp"
#include "tsrun/engine/host_memory.hpp"
#include "wide_model.hpp"

using namespace tsrun;
using namespace tsrun::test;

TEST_CASE("a multiquery cache falls with the ranks where attention is cut over the batch, and not over heads") {
  const GoldenFile file("palm");
  const auto golden = golden_sequences("palm");
  const Torus torus = world_size() == 8 ? Torus{2, 2, 2} : Torus{world_size() / 2, 2, 1};
  const Mesh mesh(torus, 60);
  const auto bytes = [&](const std::string& layout) {
    Engine engine(*file, plan_of(file, torus, layout, layout, 24), mesh);
    std::vector<PassInput> rows;
    for (std::int64_t i = 0; i < 24; ++i) rows.push_back({i, 0, golden[static_cast<std::size_t>(i % 3)].ids});
    const PassResult result = engine.forward(Phase::prefill, rows, Output::logits);
    const auto V = static_cast<std::size_t>(engine.config().V);
    for (std::size_t i = 0; i < 24; ++i)
      CHECK_NEAR(std::span(result.logits).subspan(i * V, V), std::span(golden[i % 3].logits).last(V), 1e-4);
    CHECK(engine.cache_bytes() == engine.memory().kv);
    return engine.cache_bytes();
  };
  const std::int64_t positions = std::min<std::int64_t>(400, file->config().context);
  CHECK(bytes("ws2d/head") == 2 * file->config().layers * 24 * positions * file->config().Q * 4);
  CHECK(bytes("ws2d/batch") * torus.size() == bytes("ws2d/head"));
  CHECK(bytes("ws2d/batch_x") * torus.X == bytes("ws2d/head"));
}

TEST_CASE("the most that a rank had resident in a weight-gathered prefill is within a tenth of what was predicted") {
  const WideFile file;
  const Torus torus = world_size() == 8 ? Torus{2, 2, 2} : Torus{world_size() / 2, 2, 1};
  const Mesh mesh(torus, 60);
  constexpr std::int64_t B = 24, L = 48;
  Plan plan = plan_of(file, torus, "wg_xyz/batch", "wg_xyz/batch", B);
  plan.context = 64;
  plan.pass_tokens = B * L;
  plan.chunk = L;
  plan.widest = Output::greedy;
  Engine engine(*file, plan, mesh);
  std::vector<std::int32_t> ids;
  for (std::int32_t i = 0; i < L; ++i) ids.push_back(i * 7 % 512);
  std::vector<PassInput> rows;
  for (std::int64_t i = 0; i < B; ++i) rows.push_back({i, 0, ids});
  const PassResult result = engine.forward(Phase::prefill, rows, Output::greedy);
  for (const std::int32_t id : result.ids) CHECK(id == result.ids[0]);
  const Memory& m = engine.memory();
  REQUIRE(m.at_work() > m.window_seen);
  const std::int64_t peak = mesh.max({peak_resident()})[0];
  if (mesh.rank() == 0)
    MESSAGE("predicted " << m.resident() << " bytes (process " << m.process << ", weights " << m.weights << ", cache "
                         << m.kv << ", gathered " << m.gathered << ", activations " << m.activations << ", staging "
                         << m.staging << "), resident at most " << peak);
  CHECK(static_cast<double>(peak) == doctest::Approx(static_cast<double>(m.resident())).epsilon(0.1));
  // Of that, what the plan itself asks for.
  const double grown = static_cast<double>(peak - m.process), planned = static_cast<double>(m.resident() - m.process);
  CHECK(grown == doctest::Approx(planned).epsilon(0.1));
}
