// The names and shapes of the model file, once for the writer and the reader.
//
//   /                     attributes format, format_version, written_by
//   /config               one attribute per fact of visit_fields; enums as their words
//   /tokenizer            see tokenizer_io.cpp
//   /embed, /layers/0/... a tensor: a contiguous dataset [rows][columns] ([columns] for a vector), attribute dtype
//   /layers/0/attn_q.scale, .minimum      of quantised tensors
// Each dataset of a tensor has an attribute crc32c, a CRC per span of 4 MiB of its bytes. It is an attribute because
// those lie among the headers, which the seal covers. A list above 64 KiB (a tensor above 64 GiB) HDF5 keeps in a heap
// of the object, no less covered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hdf5.hpp"
#include "tsrun/core/dtype.hpp"
#include "tsrun/core/error.hpp"
#include "tsrun/model/tensors.hpp"

namespace tsrun {

inline constexpr std::string_view format_name = "tsrun model";
inline constexpr std::int64_t format_version = 1;

// One dataset of a tensor: its values, its scales or its minima, in this order.
struct Part {
  std::string path;
  h5::Element element = h5::Element::u8;
  std::vector<hsize_t> dims;
  std::int64_t rows = 0;
  std::int64_t row_bytes = 0;
  std::int64_t bytes() const { return rows * row_bytes; }
};

std::vector<Part> parts_of(const TensorSpec& spec, DType type);

// The bytes of part `i` of these rows.
std::span<const std::byte> part_bytes(const TensorRows& rows, std::size_t i);

// The file is whole but is not a model as the schema has it (exit 2).
[[noreturn]] void misfit(const std::string& file, std::string_view object, std::string what, Numbers numbers = {});

}  // namespace tsrun
