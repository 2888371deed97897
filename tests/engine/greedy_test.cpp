// Texts of every architecture: 32 greedy ids, on every torus and in both storages, are those of the reference, whose
// logits are held against transformers. The prompts are longer than the sliding windows and than the context before the
// rotary scaling.
#include <algorithm>
#include <set>

#include "golden_file.hpp"
#include "reference/transformer.hpp"

using namespace tsrun;
using namespace tsrun::test;

namespace {

constexpr std::int64_t n_predict = 32;

std::vector<Torus> tori() {
  switch (world_size()) {
    case 6: return {{3, 2, 1}};
    case 8: return {{2, 2, 2}};
    case 12: return {{2, 3, 2}};
    default: return {{world_size(), 1, 1}};
  }
}

// The longest prompt that leaves room for the answer.
std::vector<std::int32_t> prompt_of(const std::string& model, const ModelConfig& config) {
  const std::vector<std::int32_t> longest = golden_sequences(model).back().ids;
  return {longest.begin(), longest.begin() + std::min<std::ptrdiff_t>(std::ssize(longest), config.context - n_predict)};
}

// Linear scaling has no use for it and does not name it: it is what the factor stretches to the context.
double context_before_scaling(const ModelConfig& config) {
  if (config.rope_scaling == RopeScaling::linear) return static_cast<double>(config.context) / config.rope_factor;
  return static_cast<double>(config.rope_original_context);
}

// What the reference says after all but the last of these ids, from the `first` on.
std::vector<std::int32_t> greedy_ids(const ReferenceModel& reference, const std::vector<std::int32_t>& ids,
                                     std::size_t first) {
  const std::vector<float> logits = reference_logits(reference, ids);
  const auto V = static_cast<std::ptrdiff_t>(reference.config.V);
  std::vector<std::int32_t> out;
  for (auto at = logits.begin() + static_cast<std::ptrdiff_t>(first - 1) * V; at + V != logits.end(); at += V)
    out.push_back(static_cast<std::int32_t>(std::max_element(at, at + V) - at));
  return out;
}

}  // namespace

TEST_CASE("32 greedy ids of every architecture are the reference's, on every torus, in ws1d and ws2d") {
  GenerateOptions options;
  options.n_predict = n_predict;
  for (const std::string& model : golden_names()) {
    CAPTURE(model);
    const GoldenFile file(model);
    const std::vector<std::int32_t> prompt = prompt_of(model, file->config());
    const ReferenceModel reference =
        load_reference(*open_source(read_golden(TSRUN_SOURCE_DIR "/tests/golden", model).model_path));
    std::vector<std::int32_t> wanted;
    for (const Torus& torus : tori()) {
      const Mesh mesh(torus, 60);
      for (const char* const layout : {"ws1d/head", "ws2d/head"}) {
        CAPTURE(layout);
        GenerateTiming timing;
        Engine engine(*file, plan_for(file, torus, layout, 1), mesh);
        const std::vector<std::int32_t> got = generate(engine, {prompt}, options, timing)[0].tokens;
        REQUIRE(std::ssize(got) == n_predict);
        if (wanted.empty()) {
          std::vector<std::int32_t> all = prompt;
          all.insert(all.end(), got.begin(), got.end());
          wanted = greedy_ids(reference, all, prompt.size());
        }
        CHECK(got == wanted);
      }
    }
  }
}

// Where a prompt is a whole stored sequence, an independent implementation has said the logits of all its positions.
TEST_CASE("prompts of stored sequences reach beyond windows and the context before scaling") {
  std::set<RopeScaling> scalings;
  std::set<std::string> windowed;
  for (const std::string& model : golden_names()) {
    CAPTURE(model);
    const ModelConfig config = open_source(read_golden(TSRUN_SOURCE_DIR "/tests/golden", model).model_path)->config();
    scalings.insert(config.rope_scaling);
    if (config.window > 0) windowed.insert(config.architecture);
    const std::size_t prompt = prompt_of(model, config).size();
    CHECK(static_cast<std::int64_t>(prompt) > config.window);
    CHECK(static_cast<double>(prompt) > context_before_scaling(config));
    if (config.window > 0 || config.rope_scaling != RopeScaling::none)
      CHECK(prompt == golden_sequences(model).back().ids.size());
  }
  CHECK(scalings == std::set{RopeScaling::none, RopeScaling::linear, RopeScaling::llama3, RopeScaling::yarn});
  CHECK(windowed == std::set<std::string>{"gemma3", "mistral", "phi3"});
}
