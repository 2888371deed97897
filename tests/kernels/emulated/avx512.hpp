// AVX-512, its BF16 and VNNI, and AMX in plain loops, for the kernels that ask for them: compiled with this header in front
// (-include), they run on any processor with AVX2, slowly, and their tests with them. What a kernel does not use is missing
// here, and the compiler says so.
//
// Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. Not as there: no number is flushed for
// being subnormal, and sums of products of bf16 are rounded after each of the two.
#pragma once

#include <immintrin.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

// What the compiler says of the instruction sets. The headers above must not hear it.
#define __AVX512F__ 1
#define __AVX512BW__ 1
#define __AVX512VL__ 1
#ifdef TSRUN_EMULATED_BF16
#define __AVX512BF16__ 1
#define __AVX512VNNI__ 1
#endif

namespace tsrun::emulated {

// As an array, one value a lane.
template <class T, class V>
auto lanes_of(const V& v) {
  return std::bit_cast<std::array<T, sizeof(V) / sizeof(T)>>(v);
}
template <class V, class T, class Lane>
V each_lane(const Lane& lane) {
  std::array<T, sizeof(V) / sizeof(T)> all;
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<T>(lane(i));
  return std::bit_cast<V>(all);
}
template <class Lane>
__m512 floats(const Lane& lane) {
  return each_lane<__m512, float>(lane);
}
template <class Lane>
__m512i words(const Lane& lane) {
  return each_lane<__m512i, std::uint32_t>(lane);
}
inline bool has(std::uint64_t mask, std::size_t lane) { return (mask >> lane & 1) != 0; }
template <class V>
V read(const void* from) {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
template <class T>
T element(const void* from, std::size_t i) {
  return read<T>(static_cast<const std::byte*>(from) + i * sizeof(T));
}

inline float float_of(std::uint16_t bf16) { return std::bit_cast<float>(std::uint32_t{bf16} << 16); }
inline std::uint16_t bf16_of(float v) {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  if (std::isnan(v)) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// ---- loads and stores ----

inline __m512 loadu_ps(const void* from) { return read<__m512>(from); }
inline __m512i loadu_si512(const void* from) { return read<__m512i>(from); }
inline __m512 maskz_loadu_ps(__mmask16 mask, const void* from) {  // touches nothing else
  return floats([&](std::size_t i) { return has(mask, i) ? element<float>(from, i) : 0; });
}
inline __m256i maskz_loadu_epi16(__mmask16 mask, const void* from) {
  return each_lane<__m256i, std::uint16_t>([&](std::size_t i) { return has(mask, i) ? element<std::uint16_t>(from, i) : 0; });
}
inline void mask_storeu_ps(void* to, __mmask16 mask, __m512 v) {
  const auto a = lanes_of<float>(v);
  for (std::size_t i = 0; i < a.size(); ++i)
    if (has(mask, i)) std::memcpy(static_cast<std::byte*>(to) + i * sizeof(float), &a[i], sizeof(float));
}
inline void storeu_si512(void* to, __m512i v) { std::memcpy(to, &v, sizeof v); }

// ---- f32 ----

inline __m512 setzero_ps() { return __m512{}; }
inline __m512 set1_ps(float v) { return __m512{} + v; }
inline __m512 sub_ps(__m512 a, __m512 b) { return a - b; }
inline __m512 mul_ps(__m512 a, __m512 b) { return a * b; }
inline __m512 max_ps(__m512 a, __m512 b) { return a > b ? a : b; }
inline __m512 fmadd_ps(__m512 a, __m512 b, __m512 c) {
  const auto x = lanes_of<float>(a), y = lanes_of<float>(b), z = lanes_of<float>(c);
  return floats([&](std::size_t i) { return std::fma(x[i], y[i], z[i]); });
}
inline __m512 roundscale_ps(__m512 v, int how) {
  static_cast<void>(how);  // to nearest, which is the only way asked for
  const auto a = lanes_of<float>(v);
  return floats([&](std::size_t i) { return std::nearbyint(a[i]); });
}
inline __m512 maskz_scalef_ps(__mmask16 mask, __m512 v, __m512 power) {
  const auto a = lanes_of<float>(v), p = lanes_of<float>(power);
  return floats([&](std::size_t i) {
    return has(mask, i) ? std::ldexp(a[i], static_cast<int>(std::floor(p[i]))) : 0;
  });
}
inline __mmask16 cmp_ps_mask(__m512 a, __m512 b, int how) {
  static_cast<void>(how);  // not less than, true for NaN, which is the only one asked for
  const auto x = lanes_of<float>(a), y = lanes_of<float>(b);
  unsigned mask = 0;
  for (std::size_t i = 0; i < x.size(); ++i) mask |= static_cast<unsigned>(!(x[i] < y[i])) << i;
  return static_cast<__mmask16>(mask);
}
inline __m512 cvtph_ps(__m256i halves) {
  const auto h = lanes_of<std::uint16_t>(halves);
  return floats([&](std::size_t i) { return _cvtsh_ss(h[i]); });
}

// ---- whole numbers ----

inline __m512i set1_epi32(int v) {
  return words([&](std::size_t) { return static_cast<std::uint32_t>(v); });
}
inline __m512i slli_epi32(__m512i v, unsigned by) {
  const auto a = lanes_of<std::uint32_t>(v);
  return words([&](std::size_t i) { return a[i] << by; });
}
inline __m512i srli_epi32(__m512i v, unsigned by) {
  const auto a = lanes_of<std::uint32_t>(v);
  return words([&](std::size_t i) { return a[i] >> by; });
}
inline __m512i ternarylogic_epi32(__m512i a, __m512i b, __m512i c, int truths) {
  const auto x = lanes_of<std::uint32_t>(a), y = lanes_of<std::uint32_t>(b), z = lanes_of<std::uint32_t>(c);
  return words([&](std::size_t i) {
    std::uint32_t out = 0;
    for (unsigned bit = 0; bit < 32; ++bit) {
      const unsigned row = (x[i] >> bit & 1) << 2 | (y[i] >> bit & 1) << 1 | (z[i] >> bit & 1);
      out |= (static_cast<unsigned>(truths) >> row & 1) << bit;
    }
    return out;
  });
}
inline __m512i cvtepi8_epi32(__m128i v) {
  const auto a = lanes_of<std::int8_t>(v);
  return words([&](std::size_t i) { return static_cast<std::uint32_t>(std::int32_t{a[i]}); });
}
inline __m512i cvtepu16_epi32(__m256i v) {
  const auto a = lanes_of<std::uint16_t>(v);
  return words([&](std::size_t i) { return std::uint32_t{a[i]}; });
}
inline __m512i castsi256_si512(__m256i v) {
  const auto a = lanes_of<std::uint32_t>(v);
  return words([&](std::size_t i) { return i < a.size() ? a[i] : 0xdeadbeefU; });  // the upper half may be anything
}
inline __m512i inserti64x4(__m512i v, __m256i half, int where) {
  const auto a = lanes_of<std::uint32_t>(v);
  const auto h = lanes_of<std::uint32_t>(half);
  const auto first = static_cast<std::size_t>(where) * h.size();
  return words([&](std::size_t i) { return i - first < h.size() ? h[i - first] : a[i]; });
}
inline __m512i permutexvar_epi16(__m512i order, __m512i v) {
  const auto o = lanes_of<std::uint16_t>(order), a = lanes_of<std::uint16_t>(v);
  return each_lane<__m512i, std::uint16_t>([&](std::size_t i) { return a[o[i] % a.size()]; });
}
inline __m512 castsi512_ps(__m512i v) { return std::bit_cast<__m512>(v); }

// ---- sums of products ----

inline __m512i madd_epi16(__m512i a, __m512i b) {
  const auto x = lanes_of<std::int16_t>(a), y = lanes_of<std::int16_t>(b);
  return words([&](std::size_t i) {  // -32768 four times wraps around
    return static_cast<std::uint32_t>(x[2 * i] * y[2 * i]) + static_cast<std::uint32_t>(x[2 * i + 1] * y[2 * i + 1]);
  });
}
inline __m512i dpbusd_epi32(__m512i sums, __m512i a, __m512i b) {
  const auto s = lanes_of<std::uint32_t>(sums);
  const auto x = lanes_of<std::uint8_t>(a);
  const auto y = lanes_of<std::int8_t>(b);
  return words([&](std::size_t i) {
    std::uint32_t sum = s[i];
    for (std::size_t j = 4 * i; j < 4 * i + 4; ++j) sum += static_cast<std::uint32_t>(x[j] * y[j]);
    return sum;
  });
}
inline __m512bh cvtne2ps_pbh(__m512 upper, __m512 lower) {
  const auto u = lanes_of<float>(upper), l = lanes_of<float>(lower);
  return each_lane<__m512bh, std::uint16_t>([&](std::size_t i) { return bf16_of(i < 16 ? l[i] : u[i - 16]); });
}
inline __m512 dpbf16_ps(__m512 sums, __m512bh a, __m512bh b) {
  const auto s = lanes_of<float>(sums);
  const auto x = lanes_of<std::uint16_t>(a), y = lanes_of<std::uint16_t>(b);
  return floats([&](std::size_t i) {
    const float with_odd = std::fma(float_of(x[2 * i + 1]), float_of(y[2 * i + 1]), s[i]);
    return std::fma(float_of(x[2 * i]), float_of(y[2 * i]), with_odd);
  });
}

// ---- the matrix unit ----

struct TileShape {
  std::uint8_t palette, start_row, reserved[14];
  std::uint16_t row_bytes[16];
  std::uint8_t rows[16];
};
static_assert(sizeof(TileShape) == 64);

inline constexpr std::size_t registers = 8, most_tile_rows = 16, most_row_bytes = 64;
struct Tiles {
  TileShape shape{};
  std::byte bytes[registers][most_tile_rows][most_row_bytes]{};
  template <class T>
  T& at(int tile, std::size_t row, std::size_t i) {
    return reinterpret_cast<T*>(bytes[tile][row])[i];
  }
};
inline thread_local Tiles tiles;

inline void tile_loadconfig(const void* from) {
  tiles = {};
  tiles.shape = read<TileShape>(from);
}
inline void tile_release() { tiles = {}; }
inline void tile_zero(int t) { std::memset(tiles.bytes[t], 0, sizeof tiles.bytes[t]); }
inline void tile_loadd(int t, const void* from, std::ptrdiff_t stride) {
  tile_zero(t);
  for (std::ptrdiff_t row = 0; row < tiles.shape.rows[t]; ++row)
    std::memcpy(tiles.bytes[t][row], static_cast<const std::byte*>(from) + row * stride, tiles.shape.row_bytes[t]);
}
inline void tile_stored(int t, void* to, std::ptrdiff_t stride) {
  for (std::ptrdiff_t row = 0; row < tiles.shape.rows[t]; ++row)
    std::memcpy(static_cast<std::byte*>(to) + row * stride, tiles.bytes[t][row], tiles.shape.row_bytes[t]);
}
inline void tile_dpbf16ps(int sums, int a, int b) {
  for (std::size_t m = 0; m < tiles.shape.rows[a]; ++m)
    for (std::size_t k = 0; k < tiles.shape.row_bytes[a] / 4U; ++k)
      for (std::size_t n = 0; n < tiles.shape.row_bytes[b] / 4U; ++n) {
        float& sum = tiles.at<float>(sums, m, n);
        for (const std::size_t part : {0, 1})
          sum = std::fma(float_of(tiles.at<std::uint16_t>(a, m, 2 * k + part)),
                         float_of(tiles.at<std::uint16_t>(b, k, 2 * n + part)), sum);
      }
}

}  // namespace tsrun::emulated

#undef _mm512_roundscale_ps
#undef _mm512_cmp_ps_mask
#undef _mm512_ternarylogic_epi32
#undef _mm512_slli_epi32
#undef _mm512_srli_epi32
#undef _mm512_inserti64x4
#undef _mm512_maskz_scalef_ps
#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _mm512_loadu_ps tsrun::emulated::loadu_ps
#define _mm512_loadu_si512 tsrun::emulated::loadu_si512
#define _mm512_maskz_loadu_ps tsrun::emulated::maskz_loadu_ps
#define _mm256_maskz_loadu_epi16 tsrun::emulated::maskz_loadu_epi16
#define _mm512_mask_storeu_ps tsrun::emulated::mask_storeu_ps
#define _mm512_storeu_si512 tsrun::emulated::storeu_si512
#define _mm512_setzero_ps tsrun::emulated::setzero_ps
#define _mm512_set1_ps tsrun::emulated::set1_ps
#define _mm512_sub_ps tsrun::emulated::sub_ps
#define _mm512_mul_ps tsrun::emulated::mul_ps
#define _mm512_max_ps tsrun::emulated::max_ps
#define _mm512_fmadd_ps tsrun::emulated::fmadd_ps
#define _mm512_roundscale_ps tsrun::emulated::roundscale_ps
#define _mm512_maskz_scalef_ps tsrun::emulated::maskz_scalef_ps
#define _mm512_cmp_ps_mask tsrun::emulated::cmp_ps_mask
#define _mm512_cvtph_ps tsrun::emulated::cvtph_ps
#define _mm512_set1_epi32 tsrun::emulated::set1_epi32
#define _mm512_slli_epi32 tsrun::emulated::slli_epi32
#define _mm512_srli_epi32 tsrun::emulated::srli_epi32
#define _mm512_ternarylogic_epi32 tsrun::emulated::ternarylogic_epi32
#define _mm512_cvtepi8_epi32 tsrun::emulated::cvtepi8_epi32
#define _mm512_cvtepu16_epi32 tsrun::emulated::cvtepu16_epi32
#define _mm512_castsi256_si512 tsrun::emulated::castsi256_si512
#define _mm512_castsi512_ps tsrun::emulated::castsi512_ps
#define _mm512_inserti64x4 tsrun::emulated::inserti64x4
#define _mm512_permutexvar_epi16 tsrun::emulated::permutexvar_epi16
#define _mm512_madd_epi16 tsrun::emulated::madd_epi16
#define _mm512_dpbusd_epi32 tsrun::emulated::dpbusd_epi32
#define _mm512_cvtne2ps_pbh tsrun::emulated::cvtne2ps_pbh
#define _mm512_dpbf16_ps tsrun::emulated::dpbf16_ps
#define _tile_loadconfig tsrun::emulated::tile_loadconfig
#define _tile_release tsrun::emulated::tile_release
#define _tile_zero tsrun::emulated::tile_zero
#define _tile_loadd tsrun::emulated::tile_loadd
#define _tile_stored tsrun::emulated::tile_stored
#define _tile_dpbf16ps tsrun::emulated::tile_dpbf16ps

// A register of 64 bytes is no operand here. (Statements with `asm volatile` do not match and stay.)
#define asm(...) static_assert(true)
