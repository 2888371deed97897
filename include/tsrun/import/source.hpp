// A model in somebody else's format, read tensor by tensor.
//
// A source is opened once: its header is checked whole (every length, offset and shape against the file's size), the
// configuration and the tokenizer are taken from it, and its tensors are matched with those the configuration asks
// for. After that any rows of any tensor can be read, by several threads at once if they like, so that no more than
// one slab is ever in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tsrun/core/dtype.hpp"
#include "tsrun/import/bytes.hpp"
#include "tsrun/import/folder.hpp"
#include "tsrun/model/config.hpp"
#include "tsrun/model/tensors.hpp"
#include "tsrun/model/tokenizer_data.hpp"

namespace tsrun {

struct SourceTensor {
  TensorSpec spec;
  std::string source_name;  // "blk.0.attn_q.weight"
  std::string source_type;  // "Q4_1"
  DType type = DType::f32;  // what it is kept as when nothing else is asked for
  bool exact = true;        // false where `type` rounds (a quantisation of no kept type becomes bf16)
  std::uint64_t bytes = 0;  // in the source
};

class ModelSource {
 public:
  virtual ~ModelSource() = default;
  virtual const ModelConfig& config() const = 0;
  virtual const TokenizerData& tokenizer() const = 0;
  // What a person should know about what was left out, in sentences.
  virtual const std::vector<std::string>& notes() const = 0;
  // In the order of tensors_of(config()).
  virtual const std::vector<SourceTensor>& tensors() const = 0;
  // Rows [first, first + count) of tensors()[i] in its kept type. A file that was shortened meanwhile is refused.
  virtual TensorRows read(std::size_t i, std::int64_t first, std::int64_t count) const = 0;
  // The same rows exactly dequantised to f32, into out[count * columns].
  virtual void read_f32(std::size_t i, std::int64_t first, std::int64_t count, float* out) const = 0;
};

// Opens a GGUF file or a Hugging Face folder (config.json, safetensors files): a source in which q and k are in Hugging
// Face's row order, whatever the file's. Refuses (exit 2) what is damaged, of an unknown architecture (named, with the
// known ones), lacks a tensor or a field, or says something about the model that tsrun does not know.
std::unique_ptr<ModelSource> open_source(const std::string& path);
// The same from a GGUF file's bytes, or a folder's, held elsewhere; messages call them by their names.
std::unique_ptr<ModelSource> open_source(std::unique_ptr<const Bytes> bytes);
std::unique_ptr<ModelSource> open_source(const Folder& folder);

// What a Hugging Face config.json says, without weights beside it. The model is called as the file is, or as its folder
// where the file is called config.json. Refuses as open_source does.
ModelConfig read_hf_config(const std::string& path);

}  // namespace tsrun
