// A safetensors file: eight bytes of length, a JSON header of that length, then the tensors' bytes.
//
// The container only; what the tensors mean is read elsewhere. Opening checks everything the header says before it is
// believed: a tensor's bytes are those that its shape and type ask for, they lie inside the file, and all tensors
// together fill it without overlap or gap (github.com/huggingface/safetensors, "Format"). Types that tsrun does not
// read may be there; who asks for such a tensor refuses it.
//   Safetensors file(open_bytes("model.safetensors"));
//   file.tensors()[0].name           "model.embed_tokens.weight"
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tsrun/import/bytes.hpp"
#include "tsrun/import/stored.hpp"

namespace tsrun {

class Safetensors {
 public:
  // Refuses (exit 2), naming file and tensor.
  explicit Safetensors(std::unique_ptr<const Bytes> bytes);

  const std::string& where() const { return bytes_->name(); }
  const std::vector<FileTensor>& tensors() const { return tensors_; }  // by place in the file

 private:
  std::unique_ptr<const Bytes> bytes_;
  std::vector<FileTensor> tensors_;
};

}  // namespace tsrun
