// What the engine refuses, in words for those who asked for it, and on every rank alike.
#include "golden_file.hpp"
#include "tsrun/program/lower.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

ModelConfig small_config() {
  ModelConfig c;
  c.name = "made up";
  c.layers = 1;
  c.E = 64;
  c.F = 96;
  c.H = 4;
  c.K = 2;
  c.Q = 16;
  c.V = 128;
  c.context = 64;
  c.rope_dims = 16;
  return c;
}

Plan small_plan() {
  Plan plan;
  plan.torus = {world_size(), 1, 1};
  plan.prefill = plan.decode = parse_layout("ws2d/head");
  plan.context = 64;
  return plan;
}

// "" if nothing was refused.
template <class Work>
std::string refused(Work work) {
  try {
    work();
  } catch (const Error& error) {
    CHECK(error.exit() == Exit::request);
    return error.what();
  }
  return "";
}

bool says(const std::string& all, const std::string& words) { return all.find(words) != std::string::npos; }

}  // namespace

TEST_CASE("a context that is none, or not the model's, is refused as such, with a prefix and without") {
  const auto file = ModelFile::made_up(small_config(), DType::f32);
  const Mesh mesh({world_size(), 1, 1}, 60);
  for (const std::int64_t context : {-1, 0, 65})
    for (const std::int64_t prefix : {0, 3}) {
      CAPTURE(context);
      Plan plan = small_plan();
      plan.context = context;
      plan.prefix = prefix;
      const std::string words = refused([&] { Engine(*file, plan, mesh); });
      CHECK(says(words, "the context is not one that the model has"));
      CHECK(says(words, text("asked ", context, ", the model's 64")));
    }
  Plan plan = small_plan();
  plan.prefix = 64;
  CHECK_THROWS_AS(Engine(*file, plan, mesh), std::logic_error);
}

TEST_CASE("a prompt without tokens is our own mistake, and nobody waits for it") {
  const auto file = ModelFile::made_up(small_config(), DType::f32);
  const Mesh mesh({world_size(), 1, 1}, 60);
  Engine engine(*file, small_plan(), mesh);
  GenerateTiming timing;
  for (const std::int64_t n_predict : {0, 2}) {
    GenerateOptions options;
    options.n_predict = n_predict;
    CHECK_THROWS_AS(generate(engine, {{1, 2}, {}}, options, timing), std::logic_error);
  }
}

TEST_CASE("a pass of which a message would be too large for MPI is refused before it runs, with the option to lower") {
  const auto file = ModelFile::made_up(small_config(), DType::f32);
  const Mesh mesh({world_size(), 1, 1}, 60);
  const Plan plan = small_plan();
  const Weights weights(*file, mesh, plan.prefill, plan.weights, {mesh.ranks_of_host(), 1}, {});
  Executor executor(mesh, file->config(), weights);
  const auto words = [&](Phase phase, std::int64_t sequences, std::int64_t tokens) {
    return refused([&] {
      executor.prepare(lower(file->config(), plan.torus, plan.prefill,
                             PassShape::uniform(phase, sequences, tokens, 0, Output::none), plan.schedules));
    });
  };
  CHECK(words(Phase::prefill, 1, 1 << 10).empty());
  CHECK(words(Phase::decode, 1 << 10, 1).empty());
  if (world_size() == 1) return;  // no messages
  const std::string prefill = words(Phase::prefill, 1, 1 << 25), decode = words(Phase::decode, 1 << 25, 1);
  CHECK(says(prefill, "larger than MPI can count"));
  CHECK(says(prefill, "lower --prefill-chunk"));
  CHECK(says(decode, "lower --batch"));
}
