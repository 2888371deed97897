// Pairs of bf16, as instructions that multiply two at a time want the rows of their second factor.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstdint>

namespace tsrun {
namespace {

// 16 numbers of one row and the same 16 of the next, pair by pair.
inline __m512i side_by_side(__m512i two_rows) {
  static constexpr auto order = [] {
    std::array<std::uint16_t, 32> o{};
    for (std::size_t i = 0; i < o.size(); ++i) o[i] = static_cast<std::uint16_t>(i / 2 + i % 2 * 16);
    return o;
  }();
  return _mm512_permutexvar_epi16(_mm512_loadu_si512(order.data()), two_rows);
}

// The same of two rows in f32, rounded to nearest even.
inline __m512i rounded_pairs(__m512 first, __m512 second) {
  return side_by_side(__m512i(_mm512_cvtne2ps_pbh(second, first)));
}

}  // namespace
}  // namespace tsrun
