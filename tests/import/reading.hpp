// Tensors of a source by weight, as f32.
#pragma once

#include <stdexcept>
#include <vector>

#include "tsrun/import/source.hpp"

namespace tsrun::test {

inline std::size_t index_of(const ModelSource& source, Weight weight) {
  for (std::size_t i = 0; i < source.tensors().size(); ++i)
    if (source.tensors()[i].spec.weight == weight) return i;
  throw std::logic_error("the source has no such weight");
}
inline std::vector<float> all_f32(const ModelSource& source, Weight weight) {
  const std::size_t i = index_of(source, weight);
  const TensorSpec& spec = source.tensors()[i].spec;
  std::vector<float> out(static_cast<std::size_t>(spec.elements()));
  source.read_f32(i, 0, spec.rows, out.data());
  return out;
}
inline std::vector<float> decoded(const TensorRows& rows) {
  std::vector<float> out(static_cast<std::size_t>(rows.rows * rows.columns));
  decode_rows(rows, 0, rows.rows, out.data());
  return out;
}
// Which row of the file each row came from: column 0 of `counted` is 100 times the row.
inline std::vector<int> origins(const std::vector<float>& matrix, std::size_t columns) {
  std::vector<int> out;
  for (std::size_t i = 0; i < matrix.size(); i += columns) out.push_back(static_cast<int>(matrix[i]) / 100);
  return out;
}

}  // namespace tsrun::test
