// Golden models for the engine: a tiny GGUF converted to a model file, and the logits that an independent
// implementation computes for it. The formats are described in tests/golden/make_golden.py.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tsrun/core/text.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/store/writer.hpp"

namespace tsrun::test {

inline const std::vector<std::string> golden_models = {"llama_gqa", "llama_bias", "cohere_mqa", "cohere_linear", "palm", "palm_scaled"};

struct GoldenSequence {
  std::vector<std::int32_t> ids;
  std::vector<float> logits;  // [position][V]
};

inline std::vector<GoldenSequence> golden_logits(const std::string& name) {
  std::ifstream in(text(TSRUN_SOURCE_DIR, "/tests/golden/", name, ".logits"), std::ios::binary);
  const auto read = [&in](void* to, std::size_t bytes) { in.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes)); };
  char magic[8];
  std::uint32_t vocabulary = 0, sequences = 0;
  read(magic, 8);
  read(&vocabulary, 4);
  read(&sequences, 4);
  REQUIRE(std::memcmp(magic, "tsgold1", 8) == 0);
  std::vector<GoldenSequence> all(sequences);
  for (GoldenSequence& s : all) {
    std::uint32_t length = 0;
    read(&length, 4);
    s.ids.resize(length);
    s.logits.resize(static_cast<std::size_t>(length) * vocabulary);
    read(s.ids.data(), s.ids.size() * 4);
    read(s.logits.data(), s.logits.size() * 4);
  }
  REQUIRE(in.good());
  return all;
}

// Largest difference in units of the reference's standard deviation.
inline double distance(const std::vector<float>& a, const std::vector<float>& reference) {
  REQUIRE(a.size() == reference.size());
  double sum = 0, squares = 0, worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += reference[i];
    squares += static_cast<double>(reference[i]) * reference[i];
    worst = std::max(worst, std::abs(static_cast<double>(a[i]) - reference[i]));
  }
  const double n = static_cast<double>(a.size());
  return worst / std::sqrt(squares / n - sum / n * (sum / n));
}

// A file in the temporary folder that goes with its owner.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name) : path_(std::filesystem::temp_directory_path() / name) {}
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline void convert_golden(const std::string& name, const std::string& to) {
  const auto source = open_source(text(TSRUN_SOURCE_DIR, "/tests/golden/", name, ".gguf"));
  ModelWriter writer(to, source->config(), source->tokenizer());
  for (std::size_t i = 0; i < source->tensors().size(); ++i) {
    const SourceTensor& t = source->tensors()[i];
    writer.begin(t.spec, t.type);
    writer.append(source->read(i, 0, t.spec.rows));
    writer.end();
  }
  writer.commit();
}

}  // namespace tsrun::test
