// The vectors of one instruction set, for the files that are compiled once for each: TSRUN_SIMD_LEVEL names the set,
// TSRUN_SIMD_BYTES is its width. Sums are fused where these files say so, and nowhere else.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#ifdef __AVX2__
#include <immintrin.h>
#endif

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

constexpr int vector_bytes = TSRUN_SIMD_BYTES;
constexpr int lanes = vector_bytes / 4;

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

// 2^x for x <= 0, within 2e-7 of it and exactly 1 at 0; 0 below 2^-126. x = n + f with f in [-1/2, 1/2]; 2^f by its
// series, whose terms beyond (f ln 2)^7 / 7! are below a float's last bit.
inline Floats exp2_of(Floats x) {
  const Ints vanishes = x < -126.0F;
  x = vanishes ? Floats{} - 126.0F : x;
  constexpr float to_whole = 0x1.8p23F;  // a sum with it has the whole number, to nearest, in its low bits
  const Floats shifted = x + to_whole;
  const Floats f = (x - (shifted - to_whole)) * 0.693147180559945F;
  Floats p = Floats{} + 1.0F / 5040;
  for (const float term : {1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 0.5F, 1.0F, 1.0F})
    p = multiply_add(p, f, Floats{} + term);
  const Ints power = (Ints(shifted) << 23);
  return vanishes ? Floats{} : Floats(Ints(p) + power);
}

// Of all lanes, by halves.
inline float sum_of(const Floats& v) {
  float part[lanes];
  std::memcpy(part, &v, sizeof part);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) part[i] += part[i + half];
  return part[0];
}

}  // namespace
}  // namespace tsrun::TSRUN_SIMD_LEVEL
