// The engine on every torus that the ranks can form, against logits computed elsewhere.
#include "golden_file.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::string name_of(const TrafficRow& row) {
  return text(name(row.phase), " ", row.step, " ", row.tensor, " ", sign(row.direction), letter(row.axis));
}

const char* const layouts[] = {"ws1d/head", "ws2d/head"};

// All of them on few ranks; on many, where each takes seconds, every third: layouts_test runs all on many behind its label.
std::vector<std::string> models() {
  std::vector<std::string> some;
  for (std::size_t i = 0; i < golden_names().size(); i += world_size() > 4 ? 3 : 1) some.push_back(golden_names()[i]);
  return some;
}

}  // namespace

TEST_CASE("f32 logits are within 1e-4 of the reference's deviation on every torus, and every byte sent was predicted") {
  for (const std::string& model : models()) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    for (const Torus& torus : chosen_tori(world_size())) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const char* layout : layouts) {
        CAPTURE(layout);
        Engine engine(*file, plan_for(file, torus, layout, 1), mesh);
        for (const GoldenSequence& sequence : golden)
          CHECK_NEAR(logits_of(engine, sequence.ids), sequence.logits, 1e-4);
        for (const TrafficRow& row : engine.traffic()) CHECK(row.bytes == row.predicted_bytes);
        // Statistics are added up row by row: every rank must have the same ones.
        std::string rows;
        for (const TrafficRow& row : engine.traffic()) rows += text(name_of(row), "; ");
        CHECK(mesh.broadcast(rows) == rows);
        CHECK((world_size() == 1) == engine.traffic().empty());
        CHECK(engine.weight_bytes() == engine.memory().weights);
      }
    }
  }
}

TEST_CASE("greedy ids of a ragged batch are those of the reference's largest logits, and as alone") {
  const GoldenFile file("llama_gqa");
  const auto golden = golden_sequences("llama_gqa");
  std::vector<std::vector<std::int32_t>> prompts;
  for (const GoldenSequence& s : golden) prompts.push_back(s.ids);
  GenerateOptions options;
  options.n_predict = 12;
  for (const Torus& torus : chosen_tori(world_size())) {
    const Mesh mesh(torus, 60);
    for (const char* layout : layouts) {
      GenerateTiming timing;
      Engine together(*file, plan_for(file, torus, layout, 3), mesh);
      const auto batch = generate(together, prompts, options, timing);
      Engine refilled(*file, plan_for(file, torus, layout, 2),
                      mesh);  // the third takes the slot of the first that ends
      const auto slots = generate(refilled, prompts, options, timing);
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        Engine alone(*file, plan_for(file, torus, layout, 1), mesh);
        const auto single = generate(alone, {prompts[i]}, options, timing);
        CHECK(batch[i].tokens == single[0].tokens);
        CHECK(slots[i].tokens == single[0].tokens);
        const auto V = static_cast<std::size_t>(file->config().V);
        const auto last = golden[i].logits.end() - static_cast<std::ptrdiff_t>(V);
        CHECK(single[0].tokens[0] == std::max_element(last, golden[i].logits.end()) - last);
      }
    }
  }
}

TEST_CASE("chunks of any size give the same bits, and so does a batch beside it") {
  const GoldenFile file("palm");
  const std::vector<std::int32_t> ids = golden_sequences("palm")[2].ids;
  for (const Torus& torus : chosen_tori(world_size())) {
    const Mesh mesh(torus, 60);
    Plan plan = plan_for(file, torus, "ws2d/head", 1);
    Engine whole(*file, plan, mesh);
    plan.chunk = 7;
    Engine chunked(*file, plan, mesh);
    CHECK(logits_of(whole, ids) == logits_of(chunked, ids));
  }
}

TEST_CASE("scores are the log-softmax of the logits") {
  const GoldenFile file("cohere_mqa");
  const auto golden = golden_sequences("cohere_mqa")[1];
  const auto V = static_cast<std::size_t>(file->config().V);
  for (const Torus& torus : chosen_tori(world_size())) {
    const Mesh mesh(torus, 60);
    Engine engine(*file, plan_for(file, torus, "ws2d/head", 1), mesh);
    const std::vector<float> scores = score(engine, {golden.ids})[0];
    REQUIRE(scores.size() == golden.ids.size() - 1);
    for (std::size_t t = 0; t < scores.size(); ++t) {
      double sum = 0;
      for (std::size_t v = 0; v < V; ++v) sum += std::exp(static_cast<double>(golden.logits[t * V + v]));
      const double wanted = golden.logits[t * V + static_cast<std::size_t>(golden.ids[t + 1])] - std::log(sum);
      CHECK(std::abs(scores[t] - wanted) < 1e-4);
    }
  }
}

TEST_CASE("sampled texts are the same on every torus and in every slot") {
  const GoldenFile file("palm_scaled");
  GenerateOptions options;
  options.n_predict = 10;
  options.sampling.temperature = 0.8;
  options.sampling.top_p = 0.9;
  options.sampling.seed = 11;
  const std::vector<std::vector<std::int32_t>> prompts = {{1, 2, 3}, {1, 2, 3}, {4}};
  std::vector<std::int32_t> first;
  for (const Torus& torus : chosen_tori(world_size())) {
    const Mesh mesh(torus, 60);
    GenerateTiming timing;
    Engine wide(*file, plan_for(file, torus, "ws2d/head", 3), mesh),
        narrow(*file, plan_for(file, torus, "ws2d/head", 1), mesh);
    const auto a = generate(wide, prompts, options, timing), b = generate(narrow, prompts, options, timing);
    for (std::size_t i = 0; i < prompts.size(); ++i) CHECK(a[i].tokens == b[i].tokens);
    CHECK(a[0].tokens != a[1].tokens);  // the same prompt twice is two sequences
    if (first.empty()) first = a[0].tokens;
    CHECK(a[0].tokens == first);
    GenerateOptions numbered = options;
    numbered.sequence_numbers = {1, 0, 2};
    CHECK(generate(wide, prompts, numbered, timing)[1].tokens == first);
    CHECK_THROWS_AS(generate(wide, {{1, 2}, {}}, options, timing), std::logic_error);
  }
}

TEST_CASE("bf16 weights and cache stay near, f32 is not asked of them") {
  const GoldenFile file("llama_gqa");
  const auto golden = golden_sequences("llama_gqa")[2];
  const Mesh mesh({world_size(), 1, 1}, 60);
  Plan plan = plan_for(file, mesh.torus(), "ws1d/head", 1);
  plan.weights = plan.kv = DType::bf16;
  Engine engine(*file, plan, mesh);
  const double d = distance(logits_of(engine, golden.ids), golden.logits).error;
  CHECK(d < 0.2);
  CHECK(d > 1e-4);
}

TEST_CASE("what cannot be is refused before weights are read") {
  const GoldenFile file("llama_bias");
  const auto refused = [&](const Plan& plan, Exit exit, const char* word) {
    const Mesh mesh(plan.torus, 60);
    const std::int64_t read = file->bytes_read();
    try {
      Engine engine(*file, plan, mesh);
      FAIL("not refused");
    } catch (const Error& e) {
      CHECK(e.exit() == exit);
      CHECK(std::string(e.what()).find(word) != std::string::npos);
    }
    CHECK(file->bytes_read() == read);
  };
  const Torus line{world_size(), 1, 1};
  Plan plan = plan_for(file, line, "ws2d/head", 1);
  plan.context = 100000;
  refused(plan, Exit::request, "context");
  refused(plan_for(file, line, "ws2d/head", std::int64_t{1} << 40), Exit::request, "sequences");
  plan = plan_for(file, line, "ws2d/head", 65536);
  plan.context = 16384;
  refused(plan, Exit::goal, "memory");
  if (world_size() == 1) return;
  plan = plan_for(file, line, "ws2d/head", 1);
  plan.decode = parse_layout("ws1d/head");
  refused(plan, Exit::request, "two copies");
  refused(plan, Exit::request, "prefill=ws1d/head,decode=ws1d/head");
}

TEST_CASE("ranks that disagree about the plan stop at once and say who and where") {
  if (world_size() == 1) return;
  const GoldenFile file("palm");
  const Mesh mesh({world_size(), 1, 1}, 60);
  const int guilty = world_size() - 1;
  const auto disagreed = [&](const auto& change) {
    Plan plan = plan_for(file, mesh.torus(), "ws2d/batch", 1);
    if (mesh.rank() == guilty) change(plan);
    const std::int64_t read = file->bytes_read();
    try {
      Engine engine(*file, plan, mesh);
      FAIL("not refused");
    } catch (const Error& e) {
      CHECK(e.exit() == Exit::broke);
      const std::string said = e.what();
      CHECK(said.find("plan differs") != std::string::npos);
      CHECK(said.find(host_name()) != std::string::npos);
      if (mesh.rank() != guilty) CHECK(said.find(text("rank ", guilty)) != std::string::npos);
    }
    CHECK(file->bytes_read() == read);
  };
  disagreed([](Plan& p) { p.chunk = 9; });
  disagreed([](Plan& p) { p.decode = parse_layout("ws2d/head"); });
  disagreed([](Plan& p) { p.prefill.kv = p.decode.kv = KvStorage::replicated; });
  disagreed([](Plan& p) { p.schedules.all_reduce = ScheduleName::one_shot; });
  disagreed([](Plan& p) { p.schedules.gather_weights = ScheduleName::two_way; });
}
