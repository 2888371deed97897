// Rows of a tensor of a model file, out of the spans that hold them.
#pragma once

#include <algorithm>
#include <cstring>

#include "tsrun/store/model_file.hpp"

namespace tsrun::test {

// Rows [first, first + count) in the stored type; refuses where a span that holds some of them is damaged.
inline TensorRows read_rows(const ModelFile& file, const StoredTensor& tensor, std::int64_t first, std::int64_t count) {
  TensorRows out = TensorRows::zeros(tensor.type, count, tensor.spec.columns);
  std::vector<std::byte> buffer;
  for (const TensorSpan& span : spans_of(tensor)) {
    std::vector<std::uint16_t>& halves = span.part == 1 ? out.scale : out.minimum;
    std::byte* const wanted = span.part == 0 ? out.values.data() : reinterpret_cast<std::byte*>(halves.data());
    const std::int64_t row = tensor.row_bytes(span.part), from = first * row;  // the first byte that is wanted
    const std::int64_t begin = std::max(from, span.begin), end = std::min(from + count * row, span.begin + span.bytes);
    if (begin >= end) continue;
    buffer.resize(static_cast<std::size_t>(span.bytes));
    file.read_span(span, buffer);
    std::memcpy(wanted + (begin - from), buffer.data() + (begin - span.begin), static_cast<std::size_t>(end - begin));
  }
  return out;
}

}  // namespace tsrun::test
