// What products and attention share of the matrix unit. For files that CMake compiles for it.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "bf16_pairs.hpp"
#include "packed_kernels.hpp"

namespace tsrun {
namespace simd_avx512_bf16 {
extern const PackedKernels packed;  // for what is not multiplied in tiles
}

namespace simd_amx {

inline constexpr int tile_row_bytes = 64, unit_rows = 16;  // a row of a register, and its rows

// A tile of bf16: rows <= 32, panels <= 2.
void bf16_tile(int rows, int panels, const Tile&);
// After the last tile: registers in use are saved when threads change places.
void finish();

// The same 16 numbers of two rows in bf16, pair by pair: a row of a register of weights.
inline void store_pair(__m512 first, __m512 second, std::byte* to) {
  _mm512_storeu_si512(to, rounded_pairs(first, second));
}

}  // namespace simd_amx
}  // namespace tsrun
