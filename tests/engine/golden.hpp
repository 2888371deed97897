// Golden models for the engine's tests: a tiny GGUF converted to a model file that goes with its owner.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "reference/golden.hpp"
#include "support/near.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/import/source.hpp"
#include "tsrun/store/writer.hpp"

namespace tsrun::test {

inline std::vector<GoldenSequence> golden_sequences(const std::string& name) {
  return read_golden(TSRUN_SOURCE_DIR "/tests/golden", name).sequences;
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
  const auto source = open_source(read_golden(TSRUN_SOURCE_DIR "/tests/golden", name).model_path);
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
