// Tokens drawn from each chip's likeliest are those drawn from whole rows, every byte of the exchange was predicted, and
// it is fewer of them. The vocabulary is large beside the model and divides over none of the tori.
#include <random>

#include "golden_file.hpp"
#include "layout_runs.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

constexpr std::int64_t n_predict = 12;
const std::vector<std::vector<std::int32_t>> prompts = {{7, 1999, 3, 3, 40}, {7, 8, 9}, {2002}};

ModelConfig large_vocabulary() {
  ModelConfig c;
  c.name = "large_vocabulary";
  c.layers = 1;
  c.E = 48;
  c.F = 96;
  c.H = 4;
  c.K = 2;
  c.Q = 16;
  c.V = 2003;
  c.context = 64;
  c.rope_dims = 16;
  return c;
}

// Rows of the unembedding in pairs that are equal: many logits are.
void write_model(const std::string& path) {
  const ModelConfig config = large_vocabulary();
  ModelWriter writer(path, config, {});
  std::minstd_rand random(3);
  for (const TensorSpec& spec : tensors_of(config)) {
    writer.begin(spec, DType::f32);
    std::vector<float> values(static_cast<std::size_t>(spec.columns));
    TensorRows rows = TensorRows::zeros(DType::f32, spec.rows, spec.columns);
    for (std::int64_t row = 0; row < spec.rows; ++row) {
      if (spec.weight != Weight::unembed || row % 2 == 0)
        for (float& v : values) v = (static_cast<float>(random() % 2001) - 1000) * 4e-4F;
      encode_row(values.data(), rows, row);
    }
    writer.append(rows);
    writer.end();
  }
  writer.commit();
}

std::vector<Torus> tori() {
  switch (world_size()) {
    case 6: return {{3, 2, 1}};
    case 8: return {{2, 2, 2}};
    case 12: return {{1, 6, 2}};
    default: return {{world_size(), 1, 1}};
  }
}

std::vector<Sampling> samplings() {
  return {{.temperature = 1, .top_k = 1},
          {.temperature = 0.8, .top_k = 5, .seed = 1},
          {.temperature = 2, .top_k = 40, .top_p = 0.9, .seed = 2},
          {.temperature = 1, .top_k = 12, .min_p = 0.2, .seed = 3},
          {.temperature = 1.5, .top_k = 9, .repeat_penalty = 1.2, .seed = 4},
          {.temperature = 3, .top_k = 10, .top_p = 0.95, .min_p = 0.01, .repeat_penalty = 30, .seed = 5},
          {.repeat_penalty = 5}};
}

// Each sequence one token after the other, as `generate` does it, but from rows of the whole vocabulary.
std::vector<std::vector<std::int32_t>> drawn_from_rows(Engine& engine, const Sampling& sampling) {
  const auto V = static_cast<std::size_t>(engine.config().V);
  std::vector<std::vector<std::int32_t>> texts = prompts;
  std::vector<std::size_t> done(texts.size());
  for (std::int64_t i = 0; i < n_predict; ++i) {
    std::vector<PassInput> rows;
    for (std::size_t s = 0; s < texts.size(); ++s)
      rows.push_back({static_cast<std::int64_t>(s), static_cast<std::int64_t>(done[s]),
                      std::span<const std::int32_t>(texts[s]).subspan(done[s])});
    const PassResult result = engine.forward(i == 0 ? Phase::prefill : Phase::decode, rows, Output::logits);
    for (std::size_t s = 0; s < texts.size(); ++s) {
      done[s] = texts[s].size();
      texts[s].push_back(sample(std::span(result.logits).subspan(s * V, V), sampling, texts[s], s));
    }
  }
  for (std::size_t s = 0; s < texts.size(); ++s)
    texts[s].erase(texts[s].begin(), texts[s].begin() + std::ssize(prompts[s]));
  return texts;
}

// Of the exchange of what the output is.
std::int64_t exchanged(const Engine& engine, const Mesh& mesh, const std::string& tensor) {
  std::int64_t mine = 0;
  for (const TrafficRow& row : engine.traffic())
    if (row.phase == Phase::decode && row.step == "all_gather" && row.tensor == tensor) mine += row.bytes;
  return mesh.sum({mine})[0];
}

}  // namespace

TEST_CASE("sampled texts are those drawn from whole rows, for fewer bytes, all of them predicted") {
  const SharedFile file("likeliest", write_model);
  for (const Torus& torus : tori()) {
    const Mesh mesh(torus, 60);
    for (const char* const layout : {"ws1d/head", "ws2d/batch"}) {
      CAPTURE(layout);
      for (const Sampling& sampling : samplings()) {
        CAPTURE(sampling.seed);
        REQUIRE(output_for(sampling, file->config().V, torus.size()) == Output::candidates);
        Plan plan = plan_for(file, torus, layout, 3);
        plan.widest = Output::logits;
        Engine whole(*file, plan, mesh);
        const auto wanted = drawn_from_rows(whole, sampling);
        plan.widest = Output::candidates;
        plan.candidates = sampling.candidates();
        Engine engine(*file, plan, mesh);
        GenerateOptions options;
        options.n_predict = n_predict;
        options.sampling = sampling;
        GenerateTiming timing;
        const auto got = generate(engine, prompts, options, timing);
        for (std::size_t s = 0; s < prompts.size(); ++s) CHECK(got[s].tokens == wanted[s]);
        check_traffic(engine);
        CHECK(engine.memory().activations <= whole.memory().activations);
        if (mesh.size() == 1) continue;
        // As the closed form has it: every chip's pairs go to every other, for each sequence of the padded batch.
        const std::int64_t pairs = exchanged(engine, mesh, "likeliest"), rows = exchanged(whole, mesh, "logits");
        CHECK(exchanged(engine, mesh, "logits") == 0);
        CHECK(pairs > 0);
        CHECK(pairs * ceil_div(file->config().V, mesh.size()) == rows * 2 * sampling.candidates());
        CHECK(pairs < rows);
      }
    }
  }
}

TEST_CASE("candidates are of every chip, without padding, all ids where a part has fewer than are asked for") {
  const SharedFile file("likeliest", write_model);
  const std::int64_t V = file->config().V;
  for (const Torus& torus : tori()) {
    const Mesh mesh(torus, 60);
    Engine engine(*file, plan_for(file, torus, "ws2d/head", 3), mesh);
    const auto pass = [&](Output output, std::int64_t candidates) {
      std::vector<PassInput> rows;
      for (std::size_t s = 0; s < prompts.size(); ++s) rows.push_back({static_cast<std::int64_t>(s), 0, prompts[s]});
      return engine.forward(Phase::prefill, rows, output, candidates);
    };
    const std::vector<float> logits = pass(Output::logits, 0).logits;
    const std::int64_t width = ceil_div(V, mesh.size());
    for (const std::int64_t count : {std::int64_t{1}, std::int64_t{30}, width - 1, width, 2 * V}) {
      CAPTURE(count);
      const std::vector<Best> got = pass(Output::candidates, count).candidates;
      std::vector<Best> wanted;
      for (std::int64_t r = 0; r < std::ssize(prompts); ++r)
        for (std::int64_t first = 0; first < V; first += width) {
          std::vector<Best> part;
          for (std::int64_t id = first; id < std::min(V, first + width); ++id)
            part.push_back({logits[static_cast<std::size_t>(r * V + id)], static_cast<std::int32_t>(id)});
          std::sort(part.begin(), part.end(), likelier);
          part.resize(static_cast<std::size_t>(std::min(count, std::ssize(part))));
          wanted.insert(wanted.end(), part.begin(), part.end());
        }
      CHECK(got == wanted);
    }
    check_traffic(engine);
  }
}
