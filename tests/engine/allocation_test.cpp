// The loop over a program's steps takes no memory: what a pass allocates does not grow with the layers.
#include <atomic>
#include <cstdlib>
#include <new>

#include "tsrun/engine/engine.hpp"
#include "golden_file.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::atomic<std::int64_t> allocations{0};

ModelConfig config_of(int layers) {
  ModelConfig c;
  c.name = "made up";
  c.layers = layers;
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

// Of a decode step, once all that is kept from step to step is there.
std::int64_t allocations_of_a_step(int layers, const Layout& layout) {
  const auto file = ModelFile::made_up(config_of(layers), DType::int8);
  Plan plan;
  plan.torus = {world_size(), 1, 1};
  plan.prefill = plan.decode = layout;
  plan.context = 64;
  plan.widest = Output::greedy;
  const Mesh mesh(plan.torus, 60);
  Engine engine(*file, plan, mesh);
  const std::int32_t id = 1;
  std::int64_t before = 0;
  for (std::int64_t position = 0; position < 8; ++position) {
    before = allocations;
    const PassInput row{0, position, std::span(&id, 1)};
    engine.forward(Phase::decode, std::span(&row, 1), Output::greedy);
  }
  return allocations - before;
}

}  // namespace

void* operator new(std::size_t bytes) {
  allocations += 1;
  if (void* const at = std::malloc(bytes)) return at;
  throw std::bad_alloc();
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }

TEST_CASE("a decode step of many layers allocates as often as one of few") {
  for (const Layout& layout : named_layouts()) {
    CAPTURE(to_text(layout));
    const std::int64_t few = allocations_of_a_step(2, layout);
    CHECK(few > 0);  // the result
    CHECK(few < 32);
    CHECK(allocations_of_a_step(6, layout) == few);
  }
}
