// Reads one model file (HDF5): its configuration, its tokenizer, and shards of its tensors.
//
// Every rank opens the file for itself, read-only, without locks. Opening reads and checks all that is not tensor
// data; a tensor is read in whole spans of 4 MiB of its contiguous data, each checked against its CRC-32C before
// anything is taken from it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tsrun/core/dtype.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/model/tensors.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

struct StoredTensor {
  TensorSpec spec;
  DType type = DType::f32;
  std::int64_t bytes() const { return bytes_of(type, spec.rows, spec.columns); }
};

class ModelFile {
 public:
  // Refuses (exit 2) a file that is not HDF5, not a model, of a newer format version, damaged, or whose tensors
  // contradict its configuration.
  explicit ModelFile(std::string path);
  // No file: a model of this configuration whose matrices are converted to `type`, with made-up values.
  static std::unique_ptr<ModelFile> made_up(const ModelConfig& config, DType type);
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;
  ~ModelFile();

  const std::string& path() const;
  const ModelConfig& config() const;
  const TokenizerData& tokenizer() const;
  // In the order of tensors_of(config()).
  const std::vector<StoredTensor>& tensors() const;
  // One that the configuration has; asking for another is our own mistake.
  const StoredTensor& tensor(Weight weight, int layer) const;

  // Rows [first, first + count) in the stored type. Refuses (exit 2) a damaged span, naming the dataset. The span
  // at the end of a read is kept, so that consecutive rows read each byte once. Not for two threads at a time.
  TensorRows read_rows(const StoredTensor& tensor, std::int64_t first, std::int64_t count) const;
  // The same into `out`, whose memory is used again: first touch of new memory costs more than the read.
  void read_rows(const StoredTensor& tensor, std::int64_t first, std::int64_t count, TensorRows& out) const;

  // Reads and checks every span of every dataset; refuses at the first damaged one, naming it. What is not tensor
  // data was checked when the file was opened. progress(bytes done, bytes in all) is called now and then.
  void verify(const std::function<void(std::int64_t, std::int64_t)>& progress) const;
  // Bytes read from disk so far by this object, for the load rate.
  std::int64_t bytes_read() const;

 private:
  ModelFile();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tsrun
