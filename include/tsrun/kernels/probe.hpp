// What the processor can do at most, measured: the limits beside which speeds are told.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/core/dtype.hpp"
#include "tsrun/kernels/pages.hpp"

namespace tsrun {

// Floating-point operations (two of a multiply and an add) that all threads of this rank do in a second with the
// instruction that products of many rows with weights of this type are made of.
double multiply_rate(DType weights);

// Bytes that all threads of this rank read in a second, each adding up `bytes` in all, out of memory of its own that no
// cache holds.
class ReadProbe {
 public:
  explicit ReadProbe(std::int64_t bytes);
  double rate() const;

 private:
  std::int64_t bytes_;
  std::vector<Pages> of_thread_;
};

}  // namespace tsrun
