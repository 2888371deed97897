// The oracle against the golden models, and the golden models against every fact of a ModelConfig: whichever one is
// changed, the comparison fails by far, so a runtime that passes has them all right.
#include "reference/transformer.hpp"

#include <doctest/doctest.h>

#include <set>
#include <sstream>
#include <type_traits>

#include "reference/golden.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/model/tensors.hpp"

namespace {

using namespace tsrun;

// Both of the standard deviation of the reference logits.
constexpr double tolerance = 1e-5;
constexpr double wide_margin = 1e-3;

const std::string folder = TSRUN_SOURCE_DIR "/tests/golden";

ReferenceModel load(const Golden& golden) { return load_reference(*open_source(golden.model_path)); }

template <class Field>
bool parse(const std::string& value, Field& field) {
  if constexpr (std::is_enum_v<Field>) {
    return from_word(value, field);
  } else if constexpr (std::is_same_v<Field, std::string>) {
    field = value;
    return true;
  } else {
    std::istringstream in(value);
    in >> std::boolalpha >> field;
    return !in.fail();
  }
}

// Sets the facts of a label ("rope_scaling=linear rope_factor=3") and returns their names.
std::set<std::string> flip(const std::string& label, ModelConfig& config) {
  std::set<std::string> flipped;
  std::istringstream words(label);
  for (std::string one; words >> one;) {
    const std::size_t equals = one.find('=');
    visit_fields(config, [&](std::string_view fact, auto& field) {
      if (fact == one.substr(0, equals) && parse(one.substr(equals + 1), field)) flipped.emplace(fact);
    });
  }
  return flipped;
}

// A flip may ask for tensors that the model lacks: they are made of those it has, as make_golden.py makes them.
void make_stand_ins(ReferenceModel& model) {
  const auto make = [&model](const std::string& path, auto&& value) {
    if (!model.tensors.contains(path)) model.tensors[path] = value();
  };
  std::vector<std::string> norms = {path_of(Weight::final_norm, -1)};
  for (int layer = 0; layer < model.config.layers; ++layer) {
    norms.push_back(path_of(Weight::attn_norm, layer));
    norms.push_back(path_of(Weight::ffn_norm, layer));
    make(norms.back(), [&] { return model.tensors.at(path_of(Weight::attn_norm, layer)); });
  }
  for (const std::string& norm : norms)
    make(norm + "_bias", [&] {
      std::vector<float> bias = model.tensors.at(norm);
      for (float& v : bias) v *= 0.125F;
      return bias;
    });
  make(path_of(Weight::unembed, -1), [&] {  // the embedding, its rows from last to first
    const std::vector<float>& embed = model.tensors.at(path_of(Weight::embed, -1));
    std::vector<float> unembed;
    for (auto row = embed.end(); row != embed.begin(); row -= model.config.E)
      unembed.insert(unembed.end(), row - model.config.E, row);
    return unembed;
  });
}

std::vector<float> last_row(const std::vector<float>& logits, int vocabulary) {
  return {logits.end() - vocabulary, logits.end()};
}

TEST_CASE("the oracle computes the logits of an independent implementation") {
  for (const std::string& name : golden_names()) {
    const Golden golden = read_golden(folder, name);
    const ReferenceModel model = load(golden);
    CHECK(model.config.V == golden.vocabulary);
    for (const GoldenSequence& sequence : golden.sequences) {
      CAPTURE(name);
      CAPTURE(sequence.ids.size());
      const double deviation = standard_deviation(sequence.logits);
      const double difference = largest_difference(reference_logits(model, sequence.ids), sequence.logits);
      CAPTURE(difference / deviation);
      CHECK(difference <= tolerance * deviation);
    }
  }
}

TEST_CASE("no fact of a model can be wrong unseen, and the oracle computes each of them right") {
  std::set<std::string> seen;
  for (const std::string& name : golden_names()) {
    const Golden golden = read_golden(folder, name);
    const GoldenSequence& sequence = golden.sequences.back();
    const double deviation = standard_deviation(sequence.logits);
    ReferenceModel model = load(golden);
    make_stand_ins(model);
    const ModelConfig config = model.config;
    for (const GoldenFlip& one : golden.flips) {
      CAPTURE(name);
      CAPTURE(one.label);
      model.config = config;
      const std::set<std::string> flipped = flip(one.label, model.config);
      REQUIRE(!flipped.empty());
      REQUIRE(model.config != config);
      if (flipped.size() == 1) seen.insert(flipped.begin(), flipped.end());
      const std::vector<float> logits = reference_logits(model, sequence.ids);
      CHECK(largest_difference(logits, sequence.logits) > wide_margin * deviation);
      CHECK(largest_difference(last_row(logits, golden.vocabulary), one.logits) <= tolerance * deviation);
    }
  }
  // Sizes are not facts one can have wrong unseen: the tensors contradict them.
  const std::set<std::string> others = {"name", "architecture", "layers", "E", "F", "H", "K", "Q", "V", "context"};
  ModelConfig config;
  visit_fields(config, [&](std::string_view fact, auto&) {
    CAPTURE(fact);
    CHECK(seen.contains(std::string(fact)) != others.contains(std::string(fact)));
  });
}

}  // namespace
