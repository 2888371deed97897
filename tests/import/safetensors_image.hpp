// Writes small safetensors files into memory, honest ones and liars.
//
//   SafetensorsImage image;
//   image.tensor("model.norm.weight", "F32", {32}, bytes);
//   Safetensors file(bytes_in_memory(image.bytes(), "test.safetensors"));
// A lie is told by changing the header before it is written.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "gguf_image.hpp"

namespace tsrun::test {

class SafetensorsImage {
 public:
  struct Tensor {
    std::string name, type;
    std::vector<std::uint64_t> shape;
    Image data;
  };
  std::vector<Tensor> tensors;

  void tensor(std::string name, std::string type, std::vector<std::uint64_t> shape, Image data) {
    tensors.push_back({std::move(name), std::move(type), std::move(shape), std::move(data)});
  }
  Tensor& named(std::string_view name) {
    for (Tensor& t : tensors)
      if (t.name == name) return t;
    throw std::logic_error("no such tensor in the image");
  }
  void drop(std::string_view name) { std::erase_if(tensors, [&](const Tensor& t) { return t.name == name; }); }

  nlohmann::json header() const {
    nlohmann::json out = {{"__metadata__", {{"format", "pt"}}}};
    std::uint64_t at = 0;
    for (const Tensor& t : tensors) {
      out[t.name] = {{"dtype", t.type}, {"shape", t.shape}, {"data_offsets", {at, at + t.data.size()}}};
      at += t.data.size();
    }
    return out;
  }
  Image bytes() const { return bytes(header().dump()); }
  // The same data behind another header.
  Image bytes(const std::string& header_text) const {
    Image out;
    put_string(out, header_text);
    for (const Tensor& t : tensors) out.insert(out.end(), t.data.begin(), t.data.end());
    return out;
  }
};

}  // namespace tsrun::test
