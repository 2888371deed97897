// The golden files: ids and logits made by an independent implementation (tests/golden/make_golden.py, which
// documents the formats). Any test that runs a model may hold it against them; `largest_difference` is the measure.
#pragma once

#include <string>
#include <vector>

namespace tsrun {

struct GoldenSequence {
  std::vector<int> ids;
  std::vector<float> logits;  // [ids.size()][vocabulary]
};

// What the logits after the last id of the last sequence would be if facts of the model were others.
struct GoldenFlip {
  std::string label;  // "norm=layer", "rope_scaling=linear rope_factor=3"
  std::vector<float> logits;
};

struct Golden {
  std::string name;
  std::string model_path;     // of the GGUF file, or of the folder where there is none
  std::string folder_path{};  // of the Hugging Face folder with the same weights; empty where there is none
  int vocabulary = 0;
  std::vector<GoldenSequence> sequences;
  std::vector<GoldenFlip> flips;
};

// The names of all golden models.
const std::vector<std::string>& golden_names();
// Reads NAME.logits and NAME.flips of a folder. A file that is not whole throws.
Golden read_golden(const std::string& folder, const std::string& name);

double standard_deviation(const std::vector<float>& values);
// max |a - b|; NaN if anything in it is. The sizes must be the same.
double largest_difference(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace tsrun
