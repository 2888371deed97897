// Products with packed weights against the limits of the processor, which are measured beside them in turns, so that a
// machine that is shared or changes its clock does not flatter or blame: each figure is the best of several rounds.
//
//   kernel_bench [threads] [type | all] [n | all] [seconds per figure]
//
// A row: type, rows of x, shape, threads, GFLOP/s (2 per multiply-add) and its share of the peak of the instruction
// that this level multiplies with; GB/s of weights and its share of the read bandwidth. Weights of many rows of x are
// one matrix; of few rows, 1 GiB of matrices that pass by in turn, as the layers of a model do.
#include <omp.h>
#include <sys/mman.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "tsrun/kernels/product.hpp"

using namespace tsrun;

namespace {

double seconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// ---- limits ----

constexpr int chains = 16;  // independent sums: more than latency times width
constexpr std::int64_t rounds = 400'000;

// The instruction that a level multiplies with, on `chains` registers; flops of one.
#ifdef __x86_64__
#define TSRUN_PEAK(NAME, TARGET, VECTOR, ZERO, STEP)                         \
  __attribute__((target(TARGET))) void NAME() {                              \
    VECTOR sums[chains], a = ZERO, b = ZERO;                                 \
    for (VECTOR& s : sums) s = ZERO;                                         \
    for (std::int64_t i = 0; i < rounds; ++i) {                              \
      _Pragma("GCC unroll 16") for (VECTOR& s : sums) {                      \
        s = STEP;                                                            \
        asm volatile("" : "+v"(s));                                          \
      }                                                                      \
    }                                                                        \
  }
TSRUN_PEAK(peak_dpbf16, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(),
           _mm512_dpbf16_ps(s, (__m512bh)a, (__m512bh)b))
TSRUN_PEAK(peak_dpbusd, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(s, a, b))
TSRUN_PEAK(peak_fma512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(a, b, s))
TSRUN_PEAK(peak_fma256, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(a, b, s))
#undef TSRUN_PEAK
#endif

struct Peak {
  void (*run)();
  double flops;  // of one instruction
};

Peak peak_of(DType type) {
#ifdef __x86_64__
  switch (simd_level()) {
    case SimdLevel::avx512_bf16:
      if (is_quantized(type)) return {peak_dpbusd, 128};
      if (type == DType::bf16) return {peak_dpbf16, 64};
      return {peak_fma512, 32};
    case SimdLevel::avx512: return {peak_fma512, 32};
    case SimdLevel::avx2: return {peak_fma256, 16};
    case SimdLevel::portable: break;
  }
#endif
  return {nullptr, 0};
}

double flops_per_second(const Peak& peak) {
  if (peak.run == nullptr) return 0;
  const double seconds = seconds_of([&] {
#pragma omp parallel
    peak.run();
  });
  return static_cast<double>(chains * rounds) * peak.flops * omp_get_max_threads() / seconds;
}

struct Memory {
  std::size_t bytes;
  std::byte* data;
  explicit Memory(std::size_t size) : bytes(size) {
    void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) std::exit(1);
    madvise(at, size, MADV_HUGEPAGE);
    data = static_cast<std::byte*>(at);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { munmap(data, bytes); }
};

// All threads add up their part.
double bytes_per_second(const Memory& memory) {
  using Words = std::uint64_t __attribute__((vector_size(64), aligned(64)));
  const auto* const words = reinterpret_cast<const Words*>(memory.data);
  const auto count = static_cast<std::int64_t>(memory.bytes / sizeof(Words));
  const double seconds = seconds_of([&] {
#pragma omp parallel
    {
      const std::int64_t part = count / omp_get_num_threads() / 4, first = omp_get_thread_num() * part * 4;
      Words sums[4] = {};
      for (std::int64_t i = first; i < first + part * 4; i += 4)
        for (int c = 0; c < 4; ++c) sums[c] += words[i + c];
      asm volatile("" ::"m"(sums));
    }
  });
  return static_cast<double>(memory.bytes) / seconds;
}

// ---- products ----

struct Shape {
  std::int64_t rows, columns;
};

// Values do not change the time as long as none is subnormal or not a number.
void fill(const Memory& memory, DType type) {
  const std::uint32_t word = type == DType::f32 || type == DType::bf16 ? 0x3c103c10U : 0x2c2c2c2cU;
  for (std::size_t i = 0; i < memory.bytes; i += 4) std::memcpy(memory.data + i, &word, 4);
}

void measure(DType type, std::int64_t n, const Shape& shape, const Memory& memory, double budget) {
  std::vector<float> x(static_cast<std::size_t>(n * shape.columns)), y(static_cast<std::size_t>(n * shape.rows));
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(generator);
  const std::int64_t bytes = bytes_of(type, shape.rows, shape.columns);
  const std::int64_t matrices = n > 64 ? 1 : static_cast<std::int64_t>(memory.bytes) / bytes;
  Activations activations;
  const auto pass = [&] {
    for (std::int64_t m = 0; m < matrices; ++m) {
      activations.set(x.data(), n, shape.columns);
      multiply(activations, {type, shape.rows, shape.columns, memory.data + m * bytes}, y.data());
    }
  };
  pass();
  double best = 1e9, peak = 0, bandwidth = 0, spent = 0;
  for (int round = 0; round < 3 || spent < budget; ++round) {
    const double seconds = seconds_of(pass);
    best = std::min(best, seconds);
    spent += seconds;
    peak = std::max(peak, flops_per_second(peak_of(type)));
    if (n <= 64) bandwidth = std::max(bandwidth, bytes_per_second(memory));
  }
  const double work = static_cast<double>(matrices) / best;
  const double flops = 2.0 * static_cast<double>(n * shape.rows * shape.columns) * work;
  const double read = static_cast<double>(bytes) * work;
  std::printf("%-12s n %4lld  %5lldx%-5lld  %d threads  %7.1f GFLOP/s", name(type).data(), static_cast<long long>(n),
              static_cast<long long>(shape.rows), static_cast<long long>(shape.columns), omp_get_max_threads(),
              flops / 1e9);
  if (peak > 0) std::printf(" %5.1f %% of %7.1f", 100 * flops / peak, peak / 1e9);
  if (bandwidth > 0) std::printf("  %6.2f GB/s %5.1f %% of %6.2f", read / 1e9, 100 * read / bandwidth, bandwidth / 1e9);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const auto argument = [&](int i) { return count > i ? std::string(arguments[i]) : std::string(); };
  if (const int threads = std::atoi(argument(1).c_str()); threads > 0) omp_set_num_threads(threads);
  const auto only_type = dtype_named(argument(2));
  const int only_n = std::atoi(argument(3).c_str());
  const double budget = count > 4 ? std::atof(arguments[4]) : 1;
  std::printf("level %s\n", name(simd_level()).data());
  const Memory memory(std::size_t{1} << 30);
  for (const DType type : {DType::f32, DType::bf16, DType::int8, DType::int8_channel, DType::int4, DType::int4_min}) {
    if (only_type && *only_type != type) continue;
    fill(memory, type);
    for (const int n : {1, 2, 4, 8, 32, 512}) {
      if (only_n > 0 && n != only_n) continue;
      for (const Shape& shape : {Shape{2048, 2048}, Shape{5632, 2048}, Shape{2048, 5632}})
        measure(type, n, shape, memory, budget);
    }
  }
}
