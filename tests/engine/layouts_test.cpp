// Every layout against the reference: feed-forward over one stored copy, attention in every cut, and the bytes that
// were really sent against those that the program said.
//
// Without TSRUN_LONG: both families in every layout on the tori 2x2x2 and 3x2x1, and one torus of other rank counts.
// With it: every architecture, more tori, and every ordered pair of layouts that share a storage.
#include "golden_file.hpp"

#include <cstdlib>

using namespace tsrun;
using namespace tsrun::test;

namespace {

bool long_run() { return std::getenv("TSRUN_LONG") != nullptr; }

std::vector<Torus> tori() {
  switch (world_size()) {
    case 6: return {{3, 2, 1}};
    case 8: return long_run() ? std::vector<Torus>{{2, 2, 2}, {4, 2, 1}, {1, 2, 4}} : std::vector<Torus>{{2, 2, 2}};
    case 12: return {{2, 3, 2}};
    default: return {{world_size(), 1, 1}};
  }
}

std::vector<std::string> models() {
  return long_run() ? golden_names() : std::vector<std::string>{"llama_gqa", "palm"};
}

using Words = std::vector<std::string>;

Words with_attention(const Words& ffns) {
  Words all;
  for (const std::string& ffn : ffns)
    for (const char* attention : {"head", "batch_x", "batch_xy", "batch"}) all.push_back(text(ffn, "/", attention));
  return all;
}
Words layouts() { return with_attention({"ws1d", "ws2d", "wg_x", "wg_xy", "wg_xyz", "wg_xyz@1d"}); }
// Those over one storage.
Words layouts_2d() { return with_attention({"ws2d", "wg_x", "wg_xy", "wg_xyz"}); }
Words layouts_1d() { return with_attention({"ws1d", "wg_x@1d", "wg_xy@1d", "wg_xyz@1d"}); }

Plan plan_of(const GoldenFile& file, const Torus& torus, const std::string& prefill, const std::string& decode,
             std::size_t sequences) {
  Plan plan = plan_for(file, torus, prefill.c_str(), static_cast<std::int64_t>(sequences));
  plan.decode = parse_layout(decode);
  plan.chunk = 64;
  return plan;
}

void check_traffic(const Engine& engine) {
  for (const TrafficRow& row : engine.traffic()) {
    CAPTURE(text(name(row.phase), " ", row.step, " ", row.tensor, " ", sign(row.direction), letter(row.axis)));
    CHECK(row.bytes == row.predicted_bytes);
  }
}

// The logits after each prompt by one prefill, then by decoding its last tokens one by one.
void check_logits(Engine& engine, const std::vector<GoldenSequence>& golden, std::size_t decoded) {
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
        check_logits(engine, golden, 2);
        check_traffic(engine);
      }
    }
  }
}

TEST_CASE("prefill in one layout, decode in another over the same copy of the weights") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const auto golden = golden_sequences(model);
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      const auto check_pair = [&](const std::string& prefill, const std::string& decode) {
        CAPTURE(text(prefill, " then ", decode));
        Engine engine(*file, plan_of(file, torus, prefill, decode, golden.size()), mesh);
        check_logits(engine, golden, 2);
        check_traffic(engine);
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

// A batch of one, smaller than the torus, not dividing it, of different lengths, in chunks, with slots that refill.
TEST_CASE("what a sequence becomes does not depend on its batch, its chunks or its slot") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    std::vector<std::vector<std::int32_t>> prompts;
    for (const GoldenSequence& s : golden_sequences(model)) prompts.push_back(s.ids);
    prompts.push_back({prompts[0][0], prompts[1][1], prompts[2][2]});
    prompts.push_back({prompts[2][0]});
    GenerateOptions options;
    options.n_predict = 6;
    std::vector<Generated> wanted;
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const auto& [prefill, decode] :
           {std::pair("ws2d/head", "ws2d/batch"), std::pair("ws2d/batch_x", "ws2d/batch_x"),
            std::pair("wg_xyz/head", "ws2d/batch_xy"), std::pair("wg_xyz/batch", "wg_x/head"),
            std::pair("ws1d/head", "ws1d/batch")}) {
        CAPTURE(text(prefill, " then ", decode));
        for (const std::size_t sequences : {1, 2, 5})
          for (const std::int64_t chunk : {5, 64}) {
            CAPTURE(text(sequences, " slots, chunks of ", chunk));
            Plan plan = plan_of(file, torus, prefill, decode, sequences);
            plan.chunk = chunk;
            plan.pass_tokens = 2 * chunk;
            Engine engine(*file, plan, mesh);
            GenerateTiming timing;
            const std::vector<Generated> texts = generate(engine, prompts, options, timing);
            if (wanted.empty()) wanted = texts;
            for (std::size_t i = 0; i < prompts.size(); ++i) CHECK(texts[i].tokens == wanted[i].tokens);
            check_traffic(engine);
          }
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

TEST_CASE("a turn of a conversation is prefilled onto what decoding left in the cache") {
  const GoldenFile file("palm");
  const auto golden = golden_sequences("palm");
  const std::vector<std::int32_t>& ids = golden[2].ids;
  const auto V = static_cast<std::size_t>(file->config().V);
  for (const Torus& torus : tori()) {
    const Mesh mesh(torus, 60);
    for (const auto& [prefill, decode] :
         {std::pair("ws2d/head", "ws2d/batch"), std::pair("ws2d/batch", "ws2d/batch")}) {
      Engine engine(*file, plan_of(file, torus, prefill, decode, 3), mesh);
      const std::span<const std::int32_t> all(ids);
      const std::size_t first = ids.size() / 2;
      const auto pass = [&](Phase phase, std::size_t from, std::size_t count) {
        const PassInput row{1, static_cast<std::int64_t>(from), all.subspan(from, count)};
        return engine.forward(phase, std::span(&row, 1), Output::logits);
      };
      pass(Phase::prefill, 0, first);
      pass(Phase::decode, first, 1);
      const PassResult last = pass(Phase::prefill, first + 1, ids.size() - first - 1);
      CHECK_NEAR(std::span(last.logits), std::span(golden[2].logits).last(V), 1e-4);
      check_traffic(engine);
    }
  }
}

TEST_CASE("a prefix that all sequences share is kept once, and changes no bit") {
  for (const char* model : {"llama_gqa", "palm"}) {
    CAPTURE(model);
    const GoldenFile file(model);
    const std::vector<std::int32_t> ids = golden_sequences(model)[2].ids;
    const std::size_t shared = ids.size() - 3;
    std::vector<std::vector<std::int32_t>> prompts(5, {ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(shared)});
    for (std::size_t i = 0; i < prompts.size(); ++i)
      for (std::size_t own = 0; own <= i; ++own) prompts[i].push_back(ids[(i + own) % ids.size()]);
    for (const Torus& torus : tori()) {
      CAPTURE(to_text(torus));
      const Mesh mesh(torus, 60);
      for (const auto& [prefill, decode] :
           {std::pair("ws2d/head", "ws2d/batch"), std::pair("ws2d/batch_x", "ws2d/batch_x"),
            std::pair("wg_xyz/batch", "ws2d/batch_xy"), std::pair("ws1d/head", "ws1d/head")}) {
        CAPTURE(text(prefill, " then ", decode));
        const auto logits_of_all = [&](std::int64_t prefix) {
          Plan plan = plan_of(file, torus, prefill, decode, prompts.size());
          plan.prefix = prefix;
          Engine engine(*file, plan, mesh);
          if (prefix > 0) engine.share_prefix(std::span(ids).first(shared));
          std::vector<PassInput> rows;
          for (std::size_t i = 0; i < prompts.size(); ++i)
            rows.push_back({static_cast<std::int64_t>(i), prefix,
                            std::span(prompts[i]).subspan(static_cast<std::size_t>(prefix))});
          std::vector<float> logits;
          // As many rows as prefill's own cut has places for.
          const auto most = static_cast<std::size_t>(engine.most_prefill_rows());
          for (std::size_t i = 0; i < rows.size(); i += most) {
            const auto part = engine
                                  .forward(Phase::prefill, std::span(rows).subspan(i, std::min(most, rows.size() - i)),
                                           Output::logits)
                                  .logits;
            logits.insert(logits.end(), part.begin(), part.end());
          }
          for (std::size_t i = 0; i < rows.size(); ++i)
            rows[i] = {rows[i].sequence, rows[i].context + std::ssize(rows[i].tokens), std::span(prompts[i]).first(1)};
          const auto next = engine.forward(Phase::decode, rows, Output::logits).logits;
          logits.insert(logits.end(), next.begin(), next.end());
          check_traffic(engine);
          return logits;
        };
        CHECK(logits_of_all(static_cast<std::int64_t>(shared)) == logits_of_all(0));
      }
    }
  }
}

TEST_CASE("a multiquery cache falls with the ranks where attention is cut over the batch, and not over heads") {
  const GoldenFile file("palm");
  for (const Torus& torus : tori()) {
    const Mesh mesh(torus, 60);
    const auto bytes = [&](const std::string& layout) {
      const Engine engine(*file, plan_of(file, torus, layout, layout, 24), mesh);
      CHECK(engine.cache_bytes() == engine.memory().kv);
      return engine.cache_bytes();
    };
    const std::int64_t positions = std::min<std::int64_t>(400, file->config().context);
    CHECK(bytes("ws2d/head") == 2 * file->config().layers * 24 * positions * file->config().Q * 4);
    CHECK(bytes("ws2d/batch") * torus.size() == bytes("ws2d/head"));
    CHECK(bytes("ws2d/batch_x") * torus.X == bytes("ws2d/head"));
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
          check_logits(engine, golden, 1);
          check_traffic(engine);
        }
    }
  }
}

TEST_CASE("replicated keys and values give the same logits") {
  const GoldenFile file("palm");
  const auto golden = golden_sequences("palm");
  for (const Torus& torus : tori()) {
    CAPTURE(to_text(torus));
    const Mesh mesh(torus, 60);
    for (const char* layout : {"ws2d/head", "ws2d/batch_x", "ws2d/batch_xy", "ws2d/batch", "ws1d/head", "ws1d/batch"}) {
      CAPTURE(layout);
      Plan plan = plan_of(file, torus, layout, layout, golden.size());
      plan.prefill.kv = plan.decode.kv = KvStorage::replicated;
      Engine engine(*file, plan, mesh);
      check_logits(engine, golden, 2);
      check_traffic(engine);
    }
  }
}
