// Every layout against the reference: feed-forward over one stored copy, attention in every cut, and the bytes that
// were really sent against those that the program and the closed forms say.
//
// Without TSRUN_LONG: both families in every layout on the tori 2x2x2 and 3x2x1, and one torus of other rank counts.
// With it: every architecture, more tori, and every ordered pair of layouts that share a storage.
#include "layout_runs.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

std::vector<Torus> tori() {
  switch (world_size()) {
    case 6: return {{3, 2, 1}};
    case 8: return long_run() ? std::vector<Torus>{{2, 2, 2}, {4, 2, 1}, {1, 2, 4}} : std::vector<Torus>{{2, 2, 2}};
    case 12: return {{2, 3, 2}};
    default: return {{world_size(), 1, 1}};
  }
}
// One of 8 ranks and one of 12.
std::vector<Torus> tori_of_pairs() {
  if (!long_run()) return tori();
  if (world_size() == 8) return {{2, 2, 2}};
  return world_size() == 12 ? tori() : std::vector<Torus>{};
}

std::vector<std::string> models() {
  return long_run() ? golden_names() : std::vector<std::string>{"llama_gqa", "palm"};
}

// Over the 1D storage the gathered layouts are the same program.
Words layouts() { return with_attention({"ws1d", "ws2d", "wg_x", "wg_xy", "wg_xyz", "wg_xyz@1d"}); }

// The logits after each prompt by one prefill, then by decoding its last tokens one by one; and what that sent.
void check_run(Engine& engine, const Mesh& mesh, const std::vector<GoldenSequence>& golden, std::size_t decoded) {
  const auto V = static_cast<std::size_t>(engine.config().V);
  std::vector<PassInput> rows;
  for (std::size_t i = 0; i < golden.size(); ++i)
    rows.push_back({static_cast<std::int64_t>(i), 0, std::span(golden[i].ids).first(golden[i].ids.size() - decoded)});
  const auto check = [&](const PassResult& result) {
    for (std::size_t i = 0; i < golden.size(); ++i) {
      const auto at = static_cast<std::size_t>(rows[i].context + std::ssize(rows[i].tokens) - 1) * V;
      CHECK_NEAR(std::span(result.logits).subspan(i * V, V), std::span(golden[i].logits).subspan(at, V), 1e-4);
    }
  };
  check(engine.forward(Phase::prefill, rows, Output::logits));
  for (std::size_t step = 0; step < decoded; ++step) {
    for (std::size_t i = 0; i < golden.size(); ++i) {
      rows[i].context += std::ssize(rows[i].tokens);
      rows[i].tokens = std::span(golden[i].ids).subspan(static_cast<std::size_t>(rows[i].context), 1);
    }
    check(engine.forward(Phase::decode, rows, Output::logits));
  }

  check_traffic(engine);
  std::int64_t L = 1;
  std::vector<std::int64_t> prompts;
  for (const GoldenSequence& s : golden) prompts.push_back(std::ssize(s.ids) - static_cast<std::int64_t>(decoded));
  for (const std::int64_t p : prompts) L = std::max(L, p);
  if (engine.plan().schedules == Schedules{})  // the closed forms are those of the default
    check_closed_forms(engine, mesh, {{Phase::prefill, std::ssize(golden), L},
                                      {Phase::decode, std::ssize(golden), 1, Output::logits, static_cast<int>(decoded)}});
  const Plan& plan = engine.plan();
  const std::int64_t moved = sent_by_all(engine, mesh, Phase::prefill, true);
  CHECK(moved == listed_bytes(engine, plan.prefill, plan.decode, prompts));
  // Nothing at all where the sequences are cut alike, and where heads go to the batch and every chip has the only one.
  if (plan.prefill.batch == plan.decode.batch) CHECK(moved == 0);
  if (engine.config().K == 1 && plan.prefill.batch.empty()) CHECK(moved == 0);
}

}  // namespace

TEST_CASE("every layout in both phases, a ragged batch that does not divide") {
  for (const std::string& model : models()) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const std::string& layout : layouts()) {
        CAPTURE(layout);
        Engine engine(*file, plan_of(file, torus, layout, layout, golden.size()), mesh);
        check_run(engine, mesh, golden, 2);
      }
    }
  }
}

TEST_CASE("prefill in one layout, decode in another over the same copy of the weights") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    for (const Torus& torus : tori_of_pairs()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      const auto check_pair = [&](const std::string& prefill, const std::string& decode) {
        CAPTURE(text(prefill, " then ", decode));
        Engine engine(*file, plan_of(file, torus, prefill, decode, golden.size()), mesh);
        check_run(engine, mesh, golden, 2);
      };
      if (long_run()) {
        for (const Words& storage : {layouts_2d(), layouts_1d()})
          for (const std::string& prefill : storage)
            for (const std::string& decode : storage) check_pair(prefill, decode);
      } else {
        check_pair("ws2d/head", "ws2d/batch");
        check_pair("wg_xyz/batch", "ws2d/batch");
        check_pair("wg_xy/batch_xy", "ws2d/batch_x");
        check_pair("ws1d/head", "wg_x@1d/batch");
        check_pair("ws2d/batch", "wg_xyz/head");
      }
    }
  }
}

TEST_CASE("a row's bits do not depend on the rows beside it") {
  const GoldenFile file("llama_gqa");
  const auto golden = golden_sequences("llama_gqa");
  const auto V = static_cast<std::size_t>(file->config().V);
  for (const Torus& torus : tori()) {
    CAPTURE(to_text(torus));
    const Mesh mesh(torus, 60);
    for (const std::string& layout : layouts()) {
      CAPTURE(layout);
      // The same prompt in every slot: as many copies of the same bits.
      Engine engine(*file, plan_of(file, torus, layout, layout, 5), mesh);
      std::vector<PassInput> rows;
      for (std::int64_t i = 0; i < 5; ++i) rows.push_back({i, 0, golden[1].ids});
      const PassResult together = engine.forward(Phase::prefill, rows, Output::logits);
      for (std::size_t i = 1; i < 5; ++i)
        CHECK(std::equal(together.logits.begin(), together.logits.begin() + static_cast<std::ptrdiff_t>(V),
                         together.logits.begin() + static_cast<std::ptrdiff_t>(i * V)));
    }
  }
}

TEST_CASE("every schedule carries the same numbers, and as many bytes as it says") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (int i = 0; i <= static_cast<int>(last_schedule); ++i)
        for (const auto& [prefill, decode] : {std::pair("ws2d/head", "ws2d/batch"), std::pair("wg_xy/batch_xy", "wg_xyz/head")}) {
          Plan plan = plan_of(file, torus, prefill, decode, golden.size());
          plan.schedules = schedules_named(static_cast<ScheduleName>(i));
          CAPTURE(text(name(static_cast<ScheduleName>(i)), ", ", prefill, " then ", decode));
          Engine engine(*file, plan, mesh);
          check_run(engine, mesh, golden, 1);
        }
    }
  }
}

TEST_CASE("replicated keys and values give the same logits, in every layout that they serve") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    const std::int64_t read = file->bytes_read();
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const std::string& layout : layouts()) {
        CAPTURE(layout);
        Plan plan = plan_of(file, torus, layout, layout, golden.size());
        plan.prefill.kv = plan.decode.kv = KvStorage::replicated;
        if (plan.prefill.batch.contains(plan.prefill.gathered)) {
          Engine engine(*file, plan, mesh);
          check_run(engine, mesh, golden, 2);
          continue;
        }
        // Not among the programs: gathered weights and a batch cut over fewer axes was not tried.
        const std::int64_t before = file->bytes_read();
        try {
          const Engine engine(*file, plan, mesh);
          FAIL("not refused");
        } catch (const Error& error) {
          CHECK(error.exit() == Exit::request);
          CHECK(error.complaint().next.find(text(ffn_name(plan.prefill), "/batch")) != std::string::npos);
        }
        CHECK(file->bytes_read() == before);
      }
    }
    CHECK(file->bytes_read() > read);
  }
}
