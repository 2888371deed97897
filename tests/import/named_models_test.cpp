// The models that tsrun knows by name: each file of data/models is read, and has the parameters its authors count.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/import/source.hpp"

using namespace tsrun;

namespace {

const std::string folder = TSRUN_SOURCE_DIR "/data/models/";

ModelConfig named(const std::string& name) { return read_hf_config(folder + name + ".json"); }

struct Counted {
  std::string name;
  double parameters;
};
// Of PaLM and MT-NLG from their sizes by hand, norms and biases left out (PaLM: 3EF + 2EHQ + 2EKQ a layer, and VE);
// else as published.
const std::vector<Counted> all = {
    {"palm-8b", 8.63e9},
    {"palm-62b", 62.50e9},
    {"palm-540b", 540.35e9},
    {"palm-540b-serial", 540.35e9},
    {"palm-540b-multihead", 539.24e9},
    {"mt-nlg-530b", 529.5e9},
    {"llama-2-7b", 6.738e9},
    {"llama-2-70b", 68.98e9},
    {"llama-3-8b", 8.030e9},
    {"llama-3-70b", 70.55e9},
    {"llama-3.1-405b", 405.85e9},
    {"tinyllama-1.1b", 1.100e9},
    {"smollm2-135m", 134.5e6},
    {"mistral-7b", 7.242e9},
    {"qwen2.5-7b", 7.616e9},
    {"qwen2.5-72b", 72.71e9},
    {"qwen3-32b", 32.76e9},
    {"gpt2-xl", 1.5576e9},
    {"falcon-7b", 6.922e9},
    {"falcon-180b", 179.5e9},
};

}  // namespace

TEST_CASE("a named model has the parameters its authors count") {
  for (const Counted& model : all) {
    CAPTURE(model.name);
    const ModelConfig config = named(model.name);
    CHECK(config.name == model.name);
    CHECK(static_cast<double>(config.parameters()) == doctest::Approx(model.parameters).epsilon(0.001));
  }
}

TEST_CASE("every file of data/models is one of them") {
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const std::string name = entry.path().stem().string();
    CAPTURE(name);
    CHECK(std::any_of(all.begin(), all.end(), [&](const Counted& model) { return model.name == name; }));
  }
}

TEST_CASE("PaLM and its variants differ in what the paper says") {
  const ModelConfig palm = named("palm-540b"), serial = named("palm-540b-serial"), wide = named("palm-540b-multihead");
  CHECK(palm.block == Block::parallel);
  CHECK_FALSE(palm.two_norms);
  CHECK(palm.gated);
  CHECK(palm.tied);
  CHECK(palm.K == 1);
  CHECK(serial.block == Block::serial);
  CHECK(serial.H * serial.Q == palm.H * palm.Q);
  CHECK(wide.K == wide.H);
  CHECK(2 * wide.Q == palm.Q);
}

TEST_CASE("MT-NLG is serial, multihead and without a gate") {
  const ModelConfig config = named("mt-nlg-530b");
  CHECK(config.block == Block::serial);
  CHECK(config.K == 128);
  CHECK(config.Q == 160);
  CHECK_FALSE(config.gated);
}

TEST_CASE("a configuration that is not there is refused") { CHECK_THROWS_AS(named("no-such-model"), Error); }
