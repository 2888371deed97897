// What products and attention share of the matrix unit. For files that CMake compiles for it.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

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
  static constexpr auto order = [] {
    std::array<std::uint16_t, 32> o{};
    for (std::size_t i = 0; i < 16; ++i) {
      o[2 * i] = static_cast<std::uint16_t>(i);
      o[2 * i + 1] = static_cast<std::uint16_t>(16 + i);
    }
    return o;
  }();
  const __m512i both = __m512i(_mm512_cvtne2ps_pbh(second, first));
  _mm512_storeu_si512(to, _mm512_permutexvar_epi16(_mm512_loadu_si512(order.data()), both));
}

}  // namespace simd_amx
}  // namespace tsrun
