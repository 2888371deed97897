// One row at a time from GGML's blocks into a kept type, and the order of rotary rows.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tsrun/core/dtype.hpp"
#include "tsrun/import/ggml_type.hpp"

namespace tsrun {

// Fills row `row` of `out` from a row of the file; `scratch` has room for a row of f32.
void keep_row(const GgmlType& type, const std::byte* in, TensorRows& out, std::int64_t row, float* scratch);

// Where row i of a tensor of heads of width Q stands in a file that keeps the rotary partners i and i + R/2 of a head
// as neighbours 2i and 2i + 1. R = 4, Q = 6: rows 0 1 2 3 4 5 of the head are at 0 2 1 3 4 5.
constexpr std::int64_t neighbour_row(std::int64_t i, std::int64_t Q, std::int64_t R) {
  const std::int64_t head = i / Q * Q, at = i % Q;
  if (at >= R) return i;
  return head + (at < R / 2 ? 2 * at : 2 * (at - R / 2) + 1);
}

}  // namespace tsrun
