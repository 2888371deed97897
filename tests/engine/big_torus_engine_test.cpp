// 64 ranks, 4x4x4: golden models, most of which have fewer heads than there are chips, and how long the demo model
// takes.
#include "layout_runs.hpp"

#include <chrono>

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

namespace {

// Of several times, in milliseconds.
template <class Work>
double median_ms(int times, const Work& work) {
  std::vector<double> all;
  for (int i = 0; i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work(i);
    all.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

}  // namespace

// The bound is that of a host of two cores with nothing else to do. Where others work beside the ranks every hand-over
// takes longer: an all-reduce of 8 bytes, which is nothing but hand-overs, says by how much.
TEST_CASE("a decode step of the demo model takes at most a second in every layout") {
  const ModelFile file(TSRUN_SOURCE_DIR "/data/demo.h5");
  const Mesh mesh({4, 4, 4}, 120);
  const std::string words = "It was the best of";
  const std::vector<std::int32_t> prompt(words.begin(), words.end());
  constexpr double most_ms = 1000, most_all_reduces = 600;
  constexpr int steps = 5;
  for (const std::string& layout : with_attention({"ws1d", "ws2d", "wg_x", "wg_xy", "wg_xyz"})) {
    CAPTURE(layout);
    Plan plan;
    plan.torus = mesh.torus();
    plan.prefill = plan.decode = parse_layout(layout);
    plan.context = 64;
    plan.widest = Output::greedy;
    Engine engine(file, plan, mesh);
    PassInput row{0, 0, prompt};
    std::int32_t next = engine.forward(Phase::prefill, std::span(&row, 1), Output::greedy).ids[0];
    const Seconds before = engine.seconds();
    double all_steps = 0;
    const double step = median_ms(steps, [&](int i) {
      row = {0, std::ssize(prompt) + i, std::span(&next, 1)};
      const auto start = std::chrono::steady_clock::now();
      const std::int32_t id = engine.forward(Phase::decode, std::span(&row, 1), Output::greedy).ids[0];
      all_steps += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      next = id;
    });
    double one = 1, sum = 0;
    const double all_reduce =
        median_ms(50, [&](int) { MPI_Allreduce(&one, &sum, 1, MPI_DOUBLE, MPI_SUM, mesh.comm()); });
    CHECK(sum == 64);
    CHECK(step <= std::max(most_ms, most_all_reduces * all_reduce));
    const auto share = [&](double seconds) { return std::round(1000 * seconds / all_steps) / 10; };
    const Seconds after = engine.seconds();
    if (mesh.rank() == 0)
      MESSAGE(layout << ": a step " << std::lround(step) << " ms, of which this rank's compute "
                     << share(after.compute - before.compute) << " %, transfer "
                     << share(after.transfer - before.transfer) << " %, wait " << share(after.wait - before.wait)
                     << " %; an all-reduce of 8 bytes beside it " << all_reduce << " ms");
    check_traffic(engine);
  }
}
