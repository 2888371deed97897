// The number formats of GGML: how a row of values is cut into blocks, and what the blocks mean.
//
// Dequantised values are bit for bit those of the `gguf` python package. Every product of a scale and a small whole
// number is exact in f32 (an f16 scale has 11 bits, the rest at most 13), so the one rounding is in the last addition
// and it does not matter whether the compiler fuses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tsrun/core/dtype.hpp"

namespace tsrun {

struct GgmlType {
  std::uint32_t number;    // in the file
  std::string_view name;   // "Q4_1"
  std::int64_t block;      // values in a block
  std::int64_t bytes;      // of a block
  DType kept;              // what a model file keeps it as
  bool exact;              // keeping it so loses nothing
  // `blocks` blocks into out[blocks * block]; nullptr where tsrun does not read the type.
  void (*dequantize)(const std::byte* in, std::int64_t blocks, float* out);

  bool readable() const { return dequantize != nullptr; }
  bool is_blocked() const { return block > 1; }
};

// All types that have a name, read or not.
std::span<const GgmlType> ggml_types();
const GgmlType* ggml_type(std::uint32_t number);  // nullptr if the number has no name

}  // namespace tsrun
