// Writes small GGUF files into memory, honest ones and liars.
//
//   GgufImage image;
//   image.u32("llama.block_count", 1);
//   image.tensor("output_norm.weight", {32}, 0, bytes);
//   Gguf file(bytes_in_memory(image.bytes(), "test.gguf"));
// A lie is told by setting one of the optional fields, or by patching the finished bytes.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tsrun/import/gguf.hpp"

namespace tsrun::test {

using Image = std::vector<std::byte>;

template <class T>
void put(Image& image, T value) {
  static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
  std::byte raw[sizeof value];
  std::memcpy(raw, &value, sizeof value);
  for (const std::byte byte : raw) image.push_back(byte);  // insert() of a range makes GCC 12 warn of nothing
}
inline void put_string(Image& image, std::string_view s) {
  put<std::uint64_t>(image, s.size());
  for (const char c : s) image.push_back(static_cast<std::byte>(c));
}

class GgufImage {
 public:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;  // columns first
    std::uint32_t type = 0;
    Image data;
    std::optional<std::uint64_t> offset_lie{};
  };
  struct Value {
    std::string key;
    GgufKind kind = GgufKind::u8;
    Image payload;
  };

  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // of the data; written as a key only by whoever adds it
  std::optional<std::uint64_t> tensor_count_lie, value_count_lie;
  std::vector<Value> values;
  std::vector<Tensor> tensors;

  template <class T>
  void scalar(std::string key, GgufKind kind, T value) {
    Image payload;
    put(payload, value);
    set({std::move(key), kind, std::move(payload)});
  }
  void u32(std::string key, std::uint32_t v) { scalar(std::move(key), GgufKind::u32, v); }
  void f32(std::string key, float v) { scalar(std::move(key), GgufKind::f32, v); }
  void boolean(std::string key, bool v) { scalar(std::move(key), GgufKind::boolean, static_cast<std::uint8_t>(v)); }
  void string(std::string key, std::string_view v) {
    Image payload;
    put_string(payload, v);
    set({std::move(key), GgufKind::string, std::move(payload)});
  }
  void strings(std::string key, const std::vector<std::string>& all) {
    Image payload = array_head(GgufKind::string, all.size());
    for (const std::string& s : all) put_string(payload, s);
    set({std::move(key), GgufKind::array, std::move(payload)});
  }
  void i32s(std::string key, const std::vector<std::int32_t>& all) {
    Image payload = array_head(GgufKind::i32, all.size());
    for (const std::int32_t v : all) put(payload, v);
    set({std::move(key), GgufKind::array, std::move(payload)});
  }
  static Image array_head(GgufKind of, std::uint64_t count) {
    Image payload;
    put(payload, of);
    put(payload, count);
    return payload;
  }
  // Replaces the value of a key that is there already.
  void set(Value value) {
    for (Value& old : values)
      if (old.key == value.key) {
        old = std::move(value);
        return;
      }
    values.push_back(std::move(value));
  }
  void drop(std::string_view key) { std::erase_if(values, [&](const Value& v) { return v.key == key; }); }
  void tensor(std::string name, std::vector<std::uint64_t> shape, std::uint32_t type, Image data) {
    tensors.push_back({std::move(name), std::move(shape), type, std::move(data)});
  }
  Tensor& named(std::string_view name) {
    for (Tensor& t : tensors)
      if (t.name == name) return t;
    throw std::logic_error("no such tensor in the image");
  }
  void drop_tensor(std::string_view name) { std::erase_if(tensors, [&](const Tensor& t) { return t.name == name; }); }

  Image header() const {
    Image out;
    put<std::uint32_t>(out, 0x46554747);
    put(out, version);
    put<std::uint64_t>(out, tensor_count_lie.value_or(tensors.size()));
    put<std::uint64_t>(out, value_count_lie.value_or(values.size()));
    for (const Value& v : values) {
      put_string(out, v.key);
      put(out, v.kind);
      out.insert(out.end(), v.payload.begin(), v.payload.end());
    }
    std::uint64_t offset = 0;
    for (const Tensor& t : tensors) {
      put_string(out, t.name);
      put(out, static_cast<std::uint32_t>(t.shape.size()));
      for (const std::uint64_t size : t.shape) put(out, size);
      put(out, t.type);
      put<std::uint64_t>(out, t.offset_lie.value_or(offset));
      offset = aligned(offset + t.data.size());
    }
    return out;
  }
  Image bytes() const {
    Image out = header();
    for (const Tensor& t : tensors) {
      out.resize(aligned(out.size()));
      out.insert(out.end(), t.data.begin(), t.data.end());
    }
    return out;
  }

 private:
  std::uint64_t aligned(std::uint64_t at) const { return (at + alignment - 1) / alignment * alignment; }
};

}  // namespace tsrun::test
