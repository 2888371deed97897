// The vectors of one instruction set, for the files that are compiled once for each: TSRUN_SIMD_LEVEL names the set,
// TSRUN_SIMD_BYTES is its width. Sums are fused where these files say so, and nowhere else.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "tsrun/core/dtype.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

constexpr int vector_bytes = TSRUN_SIMD_BYTES;
constexpr int lanes = vector_bytes / 4;

// Where __builtin_prefetch takes a line to.
constexpr int first_cache = 3, second_cache = 2;

using Floats = float __attribute__((vector_size(vector_bytes)));
using Words = std::uint32_t __attribute__((vector_size(vector_bytes)));
using Ints = std::int32_t __attribute__((vector_size(vector_bytes)));
using Halves = std::uint16_t __attribute__((vector_size(vector_bytes / 2)));
using Bytes = std::int8_t __attribute__((vector_size(vector_bytes / 4)));

template <class V>
inline V load(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

// The first few numbers of a vector, the others 0.
inline Floats load_some(const float* from, std::int64_t count) {
  Floats v{};
  std::memcpy(&v, from, static_cast<std::size_t>(count) * sizeof(float));
  return v;
}

// The same number in all lanes. (Added to zeros as a float it would cost an addition: -0 + 0 is 0.)
inline Floats all_lanes(float v) { return Floats(Words{} + std::bit_cast<std::uint32_t>(v)); }

inline Floats multiply_add(const Floats& a, const Floats& b, const Floats& c) {
#if defined __AVX512F__
  return Floats(_mm512_fmadd_ps(__m512(a), __m512(b), __m512(c)));
#elif defined __FMA__
  return Floats(_mm256_fmadd_ps(__m256(a), __m256(b), __m256(c)));
#else
  return a * b + c;
#endif
}

inline Floats half_to_float(const std::byte* from) {
#if defined __AVX512F__
  return Floats(_mm512_cvtph_ps(load<__m256i>(from)));
#elif defined __F16C__
  return Floats(_mm256_cvtph_ps(load<__m128i>(from)));
#else  // as f16_to_f32; a scale is finite
  const Words h = __builtin_convertvector(load<Halves>(from), Words);
  return Floats(Words(Floats((h & 0x7fffU) << 13) * 0x1p112F) | (h & 0x8000U) << 16);
#endif
}

inline float one_half_to_float(const std::byte* from) {
  const auto half = load<std::uint16_t>(from);
#ifdef __F16C__
  return _cvtsh_ss(half);
#else
  return f16_to_f32(half);
#endif
}

// 2^x for x <= 0, within 3e-7 of it and exactly 1 at 0; 0 below 2^-126. x = n + f with f in [-1/2, 1/2]; 2^f by its
// series, the terms (f ln 2)^k / k!, of which those beyond the sixth are about a float's last bit.
inline Floats exp2_of(const Floats& x) {
#ifdef __AVX512F__
  const Floats bounded = Floats(_mm512_max_ps(_mm512_set1_ps(-200), __m512(x)));  // not minus infinity, of which f is NaN
  const Floats n = Floats(_mm512_roundscale_ps(__m512(bounded), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  const Floats f = bounded - n;
#else
  const Ints vanishes = x < -126.0F;
  const Floats bounded = vanishes ? Floats{} - 126.0F : x;
  constexpr float to_whole = 0x1.8p23F;  // a sum with it has the whole number, to nearest, in its low bits
  const Floats shifted = bounded + to_whole;
  const Floats f = bounded - (shifted - to_whole);
#endif
  Floats p = Floats{} + 1.54035304e-4F;
  for (const float term : {1.33335581e-3F, 9.61812911e-3F, 5.55041087e-2F, 2.40226507e-1F, 6.93147181e-1F, 1.0F})
    p = multiply_add(p, f, Floats{} + term);
#ifdef __AVX512F__
  const __mmask16 stays = _mm512_cmp_ps_mask(__m512(x), _mm512_set1_ps(-126), _CMP_NLT_UQ);  // NaN too
  return Floats(_mm512_maskz_scalef_ps(stays, __m512(p), __m512(n)));
#else
  return vanishes ? Floats{} : Floats(Ints(p) + (Ints(shifted) << 23));
#endif
}

// What `combine` makes of all lanes, by halves.
template <int half = lanes / 2, class Combine>
inline float across(const Floats& v, Combine combine) {
  static constexpr auto partner = [] {
    std::array<std::int32_t, lanes> p{};
    for (int i = 0; i < lanes; ++i) p[static_cast<std::size_t>(i)] = i ^ half;
    return p;
  }();
  const Floats both = combine(v, __builtin_shuffle(v, load<Ints>(partner.data())));
  if constexpr (half == 1) return both[0];
  else return across<half / 2>(both, combine);
}
inline float sum_of(const Floats& v) {
  return across(v, [](const Floats& a, const Floats& b) { return a + b; });
}

}  // namespace
}  // namespace tsrun::TSRUN_SIMD_LEVEL
