#include "tsrun/kernels/probe.hpp"

#include <omp.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "tsrun/kernels/simd_level.hpp"

namespace tsrun {
namespace {

double seconds_of(const auto& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Independent sums: more than latency times width, and with the two operands no more than 16 registers.
constexpr int chains = 12;
constexpr std::int64_t rounds = 400'000;

// The instruction on `chains` registers, again and again. All loops over them are unrolled, for registers have no index.
#ifdef __x86_64__
#define TSRUN_PEAK(NAME, TARGET, REGISTER, VECTOR, ZERO, STEP) \
  __attribute__((target(TARGET))) void NAME() {                \
    [[maybe_unused]] VECTOR sums[chains], a = ZERO, b = ZERO;  \
    asm volatile("" : REGISTER(a), REGISTER(b));               \
    _Pragma("GCC unroll 12") for (VECTOR & s : sums) s = ZERO; \
    for (std::int64_t i = 0; i < rounds; ++i) {                \
      _Pragma("GCC unroll 12") for (VECTOR & s : sums) {       \
        s = STEP;                                              \
        asm volatile("" : REGISTER(s));                        \
      }                                                        \
    }                                                          \
  }
TSRUN_PEAK(peak_sse2, "sse2", "+x", __m128, _mm_setzero_ps(), _mm_add_ps(s, _mm_mul_ps(a, b)))
TSRUN_PEAK(peak_fma256, "avx2,fma", "+x", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(a, b, s))
TSRUN_PEAK(peak_maddwd256, "avx2", "+x", __m256i, _mm256_setzero_si256(), _mm256_madd_epi16(s, b))
TSRUN_PEAK(peak_fma512, "avx512f", "+v", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(a, b, s))
TSRUN_PEAK(peak_maddwd512, "avx512f,avx512bw", "+v", __m512i, _mm512_setzero_si512(), _mm512_madd_epi16(s, b))
TSRUN_PEAK(peak_dpbf16, "avx512f,avx512bf16", "+v", __m512, _mm512_setzero_ps(),
           _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)b))
TSRUN_PEAK(peak_dpbusd, "avx512f,avx512vnni", "+v", __m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(s, a, b))
#undef TSRUN_PEAK

// Adds up vectors, four sums at a time: less than what the registers hold, and enough for memory to set the pace.
#define TSRUN_READ(NAME, TARGET, REGISTER, VECTOR, ZERO, ADD)                        \
  __attribute__((target(TARGET))) void NAME(const std::byte* from, std::int64_t bytes) { \
    constexpr std::int64_t width = sizeof(VECTOR);                                   \
    VECTOR sums[4];                                                                  \
    _Pragma("GCC unroll 4") for (VECTOR & s : sums) s = ZERO;                        \
    for (; bytes >= 4 * width; bytes -= 4 * width)                                   \
      _Pragma("GCC unroll 4") for (VECTOR & s : sums) {                              \
        s = ADD(s, *reinterpret_cast<const VECTOR*>(from));                          \
        from += width;                                                               \
      }                                                                              \
    _Pragma("GCC unroll 4") for (VECTOR & s : sums) asm volatile("" ::REGISTER(s));  \
  }
TSRUN_READ(read_sse2, "sse2", "x", __m128i, _mm_setzero_si128(), _mm_add_epi64)
TSRUN_READ(read_avx2, "avx2", "x", __m256i, _mm256_setzero_si256(), _mm256_add_epi64)
TSRUN_READ(read_avx512, "avx512f", "v", __m512i, _mm512_setzero_si512(), _mm512_add_epi64)
#undef TSRUN_READ

// Two registers of activations with two of weights, to four of sums; all zeros take as long.
__attribute__((target("amx-tile,amx-bf16"))) void peak_tdpbf16() {
  struct alignas(64) {
    std::uint8_t palette = 1, reserved[15] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } shapes;
  asm volatile("" ::"m"(shapes));  // of which GCC 12 sees 8 bytes read
  _tile_loadconfig(&shapes);
  for (std::int64_t i = 0; i < rounds; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
}
#else  // the vectors that the compiler takes by itself
void peak_plain() {
  using Vector = float __attribute__((vector_size(16)));
  Vector sums[chains] = {}, a{}, b{};
  for (std::int64_t i = 0; i < rounds; ++i) {
    asm volatile("" : "+m"(a), "+m"(b));
    for (Vector& s : sums) s += a * b;
  }
  asm volatile("" ::"m"(sums));
}
void read_plain(const std::byte* from, std::int64_t bytes) {
  using Words = std::uint64_t __attribute__((vector_size(16), aligned(16)));
  Words sums[4] = {};
  for (; bytes >= 4 * 16; bytes -= 4 * 16)
    for (Words& s : sums) {
      s += *reinterpret_cast<const Words*>(from);
      from += 16;
    }
  asm volatile("" ::"m"(sums));
}
#endif

struct Peak {
  void (*run)();
  double flops;  // of one round
};

Peak peak_of(DType type) {
#ifdef __x86_64__
  switch (simd_level()) {
    case SimdLevel::amx:
      if (type == DType::bf16 || is_quantized(type)) return {peak_tdpbf16, 4 * 2 * 16 * 16 * 32};
      return {peak_fma512, chains * 32};
    case SimdLevel::avx512_bf16:
      if (is_quantized(type)) return {peak_dpbusd, chains * 128};
      if (type == DType::bf16) return {peak_dpbf16, chains * 64};
      return {peak_fma512, chains * 32};
    case SimdLevel::avx512:
      if (is_quantized(type)) return {peak_maddwd512, chains * 64};
      return {peak_fma512, chains * 32};
    case SimdLevel::avx2:
      if (is_quantized(type)) return {peak_maddwd256, chains * 32};
      return {peak_fma256, chains * 16};
    case SimdLevel::portable: break;
  }
  static_cast<void>(type);
  return {peak_sse2, chains * 8};
#else
  static_cast<void>(type);
  return {peak_plain, chains * 8};
#endif
}

auto read_with_widest_vectors() {
#ifdef __x86_64__
  if (simd_level() >= SimdLevel::avx512) return read_avx512;
  return simd_level() == SimdLevel::avx2 ? read_avx2 : read_sse2;
#else
  return read_plain;
#endif
}

// Some of what is read, as often as it takes: more than any cache holds.
constexpr std::int64_t read_at_once = std::int64_t{256} << 20;

}  // namespace

double multiply_rate(DType weights) {
  const Peak peak = peak_of(weights);
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 5; ++i)
    best = std::min(best, seconds_of([&peak] {
#pragma omp parallel
                      peak.run();
                    }));
  return static_cast<double>(rounds) * peak.flops * omp_get_max_threads() / best;
}

ReadProbe::ReadProbe(std::int64_t bytes)
    : bytes_(bytes), of_thread_(static_cast<std::size_t>(omp_get_max_threads())) {
#pragma omp parallel
  {
    Pages& mine = of_thread_[static_cast<std::size_t>(omp_get_thread_num())];
    mine = Pages(std::min(bytes_, read_at_once));
    std::memset(mine.data(), 1, static_cast<std::size_t>(mine.bytes()));
  }
}

double ReadProbe::rate() const {
  const std::int64_t times = std::max<std::int64_t>(1, bytes_ / read_at_once);
  const auto read = read_with_widest_vectors();
  const double seconds = seconds_of([&] {
#pragma omp parallel
    {
      const Pages& mine = of_thread_[static_cast<std::size_t>(omp_get_thread_num())];
      for (std::int64_t t = 0; t < times; ++t) read(mine.data(), mine.bytes());
    }
  });
  return static_cast<double>(times * std::min(bytes_, read_at_once) * std::ssize(of_thread_)) / seconds;
}

}  // namespace tsrun
