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
constexpr double wide_margin = 3e-4;

const std::string folder = TSRUN_SOURCE_DIR "/tests/golden";

// Both files of a model, or the one there is. The last is the one whose facts make_golden.py knows (a GGUF file has
// Gemma's 1 + s as one number).
std::vector<std::string> files_of(const Golden& golden) {
  std::vector<std::string> out = {golden.model_path};
  if (!golden.folder_path.empty() && golden.folder_path != golden.model_path) out.push_back(golden.folder_path);
  return out;
}

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

// Rows from last to first.
std::vector<float> upside_down(const std::vector<float>& matrix, std::int64_t columns) {
  std::vector<float> out;
  for (auto row = matrix.end(); row != matrix.begin(); row -= columns) out.insert(out.end(), row - columns, row);
  return out;
}

// A flip may ask for tensors that the model lacks: they are made of those it has, as make_golden.py makes them.
void make_stand_ins(ReferenceModel& model) {
  using Values = std::vector<float>;
  const auto make = [&model](const std::string& path, const std::string& from, auto&& made_of) {
    const auto source = model.tensors.find(from);
    if (!model.tensors.contains(path) && source != model.tensors.end()) model.tensors[path] = made_of(source->second);
  };
  const auto same = [](const Values& v) { return v; };
  const auto an_eighth = [](Values v) {
    for (float& each : v) each *= 0.125F;
    return v;
  };
  const auto turned = [&](std::int64_t columns) {
    return [columns](const Values& v) { return upside_down(v, columns); };
  };
  std::vector<std::string> norms = {path_of(Weight::final_norm, -1)};
  for (int layer = 0; layer < model.config.layers; ++layer) {
    const std::string attn_norm = path_of(Weight::attn_norm, layer);
    make(attn_norm, path_of(Weight::attn_post_norm, layer), same);
    for (const Weight norm : {Weight::ffn_norm, Weight::attn_post_norm, Weight::ffn_post_norm})
      make(path_of(norm, layer), attn_norm, same);
    for (const Weight norm : {Weight::attn_norm, Weight::ffn_norm}) norms.push_back(path_of(norm, layer));
    make(path_of(Weight::ffn_gate, layer), path_of(Weight::ffn_in, layer), turned(model.config.E));
    make(path_of(Weight::ffn_gate_bias, layer), path_of(Weight::ffn_in_bias, layer), turned(1));
  }
  for (const std::string& norm : norms) make(norm + "_bias", norm, an_eighth);
  for (const Weight table : {Weight::unembed, Weight::pos_embed})
    make(path_of(table, -1), path_of(Weight::embed, -1), turned(model.config.E));
}

std::vector<float> last_row(const std::vector<float>& logits, int vocabulary) {
  return {logits.end() - vocabulary, logits.end()};
}

TEST_CASE("the oracle computes the logits of an independent implementation") {
  for (const std::string& name : golden_names()) {
    const Golden golden = read_golden(folder, name);
    for (const std::string& file : files_of(golden)) {
      const ReferenceModel model = load_reference(*open_source(file));
      CHECK(model.config.V == golden.vocabulary);
      for (const GoldenSequence& sequence : golden.sequences) {
        CAPTURE(file);
        CAPTURE(sequence.ids.size());
        const double deviation = standard_deviation(sequence.logits);
        const double difference = largest_difference(reference_logits(model, sequence.ids), sequence.logits);
        CAPTURE(difference / deviation);
        CHECK(difference <= tolerance * deviation);
      }
    }
  }
}

TEST_CASE("no fact of a model can be wrong unseen, and the oracle computes each of them right") {
  std::set<std::string> seen;
  for (const std::string& name : golden_names()) {
    const Golden golden = read_golden(folder, name);
    const GoldenSequence& sequence = golden.sequences.back();
    const double deviation = standard_deviation(sequence.logits);
    ReferenceModel model = load_reference(*open_source(files_of(golden).back()));
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
