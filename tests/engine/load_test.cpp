// Loading: what it takes.
#include "tsrun/engine/host_memory.hpp"
#include "wide_model.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

Torus torus_here() {
  switch (world_size()) {
    case 6: return {3, 2, 1};
    case 8: return {2, 2, 2};
    default: return {world_size(), 1, 1};
  }
}

// One that needs next to nothing once the weights are there.
Plan light_plan(const char* layout, std::optional<DType> weights = {}) {
  Plan plan;
  plan.torus = torus_here();
  plan.prefill = plan.decode = parse_layout(layout);
  plan.weights = weights;
  plan.context = plan.chunk = 16;
  plan.widest = Output::greedy;
  return plan;
}

}  // namespace

// The first of this file: no rank ever had more memory before.
TEST_CASE("what a rank has resident grows, while it loads, by what was predicted, within a tenth") {
  const WideFile file;
  const Mesh mesh(torus_here(), 60);
  const Engine engine(*file, light_plan("ws2d/head"), mesh);
  const std::int64_t peak = mesh.max({peak_resident()})[0];
  const Memory& m = engine.memory();
  REQUIRE(m.window_seen > m.at_work());
  CHECK(m.window_seen <= m.window * world_size());
  if (mesh.rank() == 0)
    MESSAGE("predicted " << m.resident() << " bytes (process " << m.process << ", weights " << m.weights << ", window "
                         << m.window_seen << "), resident at most " << peak);
  const double grown = static_cast<double>(peak - m.process), planned = static_cast<double>(m.resident() - m.process);
  CHECK(grown == doctest::Approx(planned).epsilon(0.1));
}
