// Writes one model file (HDF5) that loads on any mesh. The schema is in the README.
//
// Atomic: everything goes to a temporary file beside the target, which takes its name only in commit(). A writer
// that is destroyed before removes what it wrote, and so does one that fails; a target that exists is replaced by
// commit() and not touched before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tsrun/core/dtype.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/model/tensors.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

class ModelWriter {
 public:
  // Refuses (exit 2) a configuration that is no model, a folder that is not there or not writable, and a target that
  // is not a file. `expected_bytes`, the sum of bytes_of over the tensors where it is known, makes a disk that is too
  // small end the writing (exit 1) before it begins.
  ModelWriter(std::string path, const ModelConfig& config, const TokenizerData& tokenizer,
              std::int64_t expected_bytes = 0);
  ModelWriter(const ModelWriter&) = delete;
  ModelWriter& operator=(const ModelWriter&) = delete;
  ~ModelWriter();

  // One tensor after the other, each once, in any order: begin, append its rows in order, end. A full disk ends the
  // writing (exit 1) with the path and the numbers.
  void begin(const TensorSpec& spec, DType type);
  void append(const TensorRows& rows);
  void end();
  // Refuses if a tensor of the configuration is missing; syncs, and gives the file its name. The last call.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tsrun
