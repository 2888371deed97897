// Rows of a matched tensor, wherever and in whatever order they lie: parts of fused tensors, rotary neighbours,
// transposed matrices.
#pragma once

#include <cstdint>

#include "match.hpp"
#include "tsrun/core/dtype.hpp"

namespace tsrun {

// Rows [first, first + count) in the tensor's kept type.
TensorRows read_stored(const Match& match, std::int64_t first, std::int64_t count);
// The same rows exactly dequantised to f32, into out[count * columns].
void read_stored_f32(const Match& match, std::int64_t first, std::int64_t count, float* out);

}  // namespace tsrun
