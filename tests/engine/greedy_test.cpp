// Texts of every architecture: 32 greedy ids, on every torus and in both storages, are those of the reference, whose
// logits are held against transformers. The prompts and what follows them are longer than the sliding windows and than
// the context before the rotary scaling.
#include <algorithm>

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

TEST_CASE("what is generated reaches beyond windows and the context before scaling") {
  for (const std::string& model : golden_names()) {
    CAPTURE(model);
    const ModelConfig config = open_source(read_golden(TSRUN_SOURCE_DIR "/tests/golden", model).model_path)->config();
    const auto length = static_cast<std::int64_t>(prompt_of(model, config).size()) + n_predict;
    CHECK(length > config.window);
    if (config.rope_original_context > 0 && model != "llama_bias") CHECK(length > config.rope_original_context);
  }
}
