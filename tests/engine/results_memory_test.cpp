// What a rank has resident where a pass gives back far more than it computes with, against the prediction.
#include "golden_file.hpp"
#include "tsrun/engine/host_memory.hpp"

using namespace tsrun;
using namespace tsrun::test;

TEST_CASE("logits of every token, and the copy that is given back, are in the prediction of what a rank has resident") {
  ModelConfig config;
  config.name = "of many tokens";
  config.layers = 1;
  config.E = 32;
  config.F = 32;
  config.H = config.K = 2;
  config.Q = 16;
  config.V = 65536;
  config.context = 256;
  config.rope_dims = 16;
  const auto file = ModelFile::made_up(config, DType::bf16);
  Plan plan;
  plan.torus = {world_size(), 1, 1};
  plan.prefill = plan.decode = parse_layout("ws2d/head");
  plan.context = plan.chunk = 256;
  plan.widest = Output::all_logits;
  const Mesh mesh(plan.torus, 60);
  Engine engine(*file, plan, mesh);
  const std::vector<std::int32_t> ids(256, 7);
  const PassInput row{0, 0, ids};
  const PassResult result = engine.forward(Phase::prefill, std::span(&row, 1), Output::all_logits);
  CHECK(result.logits.size() == 256 * 65536);
  CHECK(result.logits.capacity() == result.logits.size());
  const Memory& m = engine.memory();
  CHECK(m.results == 256 * 65536 * 4);
  const std::int64_t peak = mesh.max({peak_resident()})[0];
  if (mesh.rank() == 0)
    MESSAGE("predicted " << m.resident() << " bytes (process " << m.process << ", activations " << m.activations
                         << ", staging " << m.staging << ", results " << m.results << "), resident at most " << peak);
  // Without the copy 20 to 40 % would be missing; the buffers of a gathering are counted as if it received beside them.
  const double share = static_cast<double>(peak) / static_cast<double>(m.resident());
  CHECK(share < 1.05);
  CHECK(share > 0.8);
}
