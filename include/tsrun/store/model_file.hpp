// Reads one model file (HDF5): its configuration, its tokenizer, and shards of its tensors.
//
// Every rank opens the file for itself, read-only, without locks. Opening reads and checks all that is not tensor
// data; a tensor is read in whole spans of its contiguous data, each checked against its CRC-32C before anything is
// taken from it. Who reads which span, and hands it on, is the engine's matter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tsrun/core/dtype.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/model/tensors.hpp"
#include "tsrun/model/tokenizer_data.hpp"
#include "tsrun/store/crc32c.hpp"

namespace tsrun {

// In a row of a dataset, so many columns of the tensor take so many bytes.
struct Unit {
  std::int64_t columns = 1;
  std::int64_t bytes = 1;
};

struct StoredTensor {
  TensorSpec spec;
  DType type = DType::f32;
  std::int64_t bytes() const { return bytes_of(type, spec.rows, spec.columns); }

  // Its datasets, by the name of "part": 0 its values, 1 its scales, 2 its minima.
  int parts() const { return 1 + (is_quantized(type) ? 1 : 0) + (has_minimum(type) ? 1 : 0); }
  Unit unit(int part) const;
  std::int64_t row_bytes(int part) const { return spec.columns / unit(part).columns * unit(part).bytes; }
};

// What is read at a time: bytes [begin, begin + bytes) of one part of a tensor of the file, as one or two of the spans
// that carry a CRC.
struct TensorSpan {
  const StoredTensor* tensor = nullptr;
  int part = 0;
  std::int64_t begin = 0;
  std::int64_t bytes = 0;
};
// All of a tensor, part by part. Nothing is read in less than 1 MiB that is not a whole part.
std::vector<TensorSpan> spans_of(const StoredTensor& tensor);
// Bytes of the largest.
inline constexpr std::int64_t longest_span = span_bytes + (std::int64_t{1} << 20);

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
  // Of all its bytes: files of one identity hold the same model, in the same types. 0 where it is made up.
  std::uint64_t identity() const;
  // In the order of tensors_of(config()).
  const std::vector<StoredTensor>& tensors() const;
  // One that the configuration has; asking for another is our own mistake.
  const StoredTensor& tensor(Weight weight, int layer) const;

  // Into `out`, which is as large. Refuses (exit 2) a damaged span, naming the dataset. For any number of threads.
  void read_span(const TensorSpan& span, std::span<std::byte> out) const;

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
