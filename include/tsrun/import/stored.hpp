// A tensor as a file's header describes it, whatever the file's format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tsrun/import/bytes.hpp"
#include "tsrun/import/ggml_type.hpp"

namespace tsrun {

struct FileTensor {
  std::string name;
  std::vector<std::uint64_t> shape;  // outermost first; [rows][columns] of a matrix
  std::string type_name;             // "Q4_1", "BF16", "I64"
  const GgmlType* type = nullptr;    // nullptr where tsrun does not read the type
  const Bytes* file = nullptr;
  std::uint64_t offset = 0;          // in the file
  std::uint64_t bytes = 0;           // inside the file, and what shape and type ask for
};

// "16 x 32"
std::string shape_text(const std::vector<std::uint64_t>& shape);

}  // namespace tsrun
