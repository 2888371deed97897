// A GGUF file's header: typed values by key, and a table of tensors.
//
// The container only; what the values mean is read elsewhere. Opening checks everything the header says against the
// file's size before it is believed. Strings and arrays stay in the file until they are asked for, so the memory an
// open file takes is bounded by its number of keys and tensors. Read: versions 2 and 3, little-endian.
//   Gguf file(open_bytes("model.gguf"));
//   file.string("general.architecture")            "llama"
//   file.integer("llama.block_count")              30
//   file.tensor("token_embd.weight")->shape        {576, 49152, 1, 1}: columns first
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tsrun/import/bytes.hpp"
#include "tsrun/import/ggml_type.hpp"
#include "tsrun/import/stored.hpp"

namespace tsrun {

enum class GgufKind : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

struct GgufString {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};
struct GgufArray {
  GgufKind of = GgufKind::u8;
  std::uint64_t offset = 0;  // of its first element
  std::uint64_t count = 0;
};
using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, GgufString, GgufArray>;

struct GgufTensor {
  std::string name;
  std::array<std::uint64_t, 4> shape{1, 1, 1, 1};  // columns first, as in the file
  const GgmlType* type = nullptr;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t bytes = 0;
};

class Gguf {
 public:
  explicit Gguf(std::unique_ptr<const Bytes> bytes);

  const Bytes& bytes() const { return *bytes_; }
  const std::string& where() const { return bytes_->name(); }
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* tensor(std::string_view name) const;
  std::vector<FileTensor> stored() const;  // all tensors, as long as the file is open

  // The value of a key, or nothing where the file has no such key. A value of another kind, a negative or infinite
  // number, or text that is not UTF-8 is refused.
  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> real(std::string_view key) const;  // whole numbers too
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> string(std::string_view key) const;
  std::optional<std::vector<std::string>> strings(std::string_view key) const;
  std::optional<std::vector<std::int64_t>> integers(std::string_view key) const;

 private:
  const GgufValue* find(std::string_view key) const;
  const GgufArray* find_array(std::string_view key, std::string_view of_what) const;

  std::unique_ptr<const Bytes> bytes_;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, std::size_t> by_name_;  // views of tensors_, which is never changed once filled
};

}  // namespace tsrun
