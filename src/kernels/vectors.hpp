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

}  // namespace
}  // namespace tsrun::TSRUN_SIMD_LEVEL
