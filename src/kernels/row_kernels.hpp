// The inner kernels of rows.hpp, compiled once per instruction set.
#pragma once

#include <cstdint>

#include "tsrun/kernels/simd_level.hpp"
#include "tsrun/model/config.hpp"

namespace tsrun {

struct RowKernels {
  // Sums run in as many chains as a few vectors have lanes; which number falls in which hangs on its place alone.
  float (*sum)(const float* x, std::int64_t count);
  float (*sum_squares)(const float* x, std::int64_t count);
  // in = act(gate) * in, or act(in) where gate is null, within 3e-7 of the larger of the result and act's argument.
  void (*activate)(Activation, const float* gate, float* in, std::int64_t count);
};
const RowKernels& row_kernels(SimdLevel);

}  // namespace tsrun
