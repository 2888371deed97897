// Products with packed weights against the limits of the processor, which are measured beside them in turns, so that a
// machine that is shared or changes its clock does not flatter or blame: each figure is the best of several rounds.
//
//   kernel_bench [threads] [type | all] [n | all] [seconds per figure]
//
// A row: type, rows of x, shape, threads, GFLOP/s (2 per multiply-add) and its share of the peak of the instruction
// that this level multiplies with; GB/s of weights and its share of the read bandwidth. Weights of many rows of x are
// one matrix; of few rows, 1 GiB of matrices that pass by in turn, as the layers of a model do. In f32 and on one thread
// the same product by OpenBLAS stands behind where that was found, also measured in turns; OpenBLAS 0.3.21 takes an AMD
// processor with AVX-512 for a Haswell unless OPENBLAS_CORETYPE=SKYLAKEX.
#ifdef TSRUN_BESIDE_BLAS
#include <cblas.h>
constexpr bool has_blas = true;
#else
constexpr bool has_blas = false;
#endif
#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "seconds_of.hpp"
#include "tsrun/kernels/probe.hpp"
#include "tsrun/kernels/product.hpp"
#include "tsrun/kernels/team.hpp"

using namespace tsrun;

namespace {

struct Shape {
  std::int64_t rows, columns;
};

// Values do not change the time as long as none is subnormal or not a number.
void fill(const Pages& memory, DType type) {
  const std::uint32_t word = type == DType::f32 || type == DType::bf16 ? 0x3c103c10U : 0x2c2c2c2cU;
  for (std::int64_t i = 0; i < memory.bytes(); i += 4) std::memcpy(memory.data() + i, &word, 4);
}

// y[n][rows] = x[n][columns] times w[rows][columns] turned.
void blas_multiply([[maybe_unused]] std::int64_t n, [[maybe_unused]] const Shape& shape, [[maybe_unused]] const float* x,
                   [[maybe_unused]] const float* w, [[maybe_unused]] float* y) {
#ifdef TSRUN_BESIDE_BLAS
  const auto rows = static_cast<int>(shape.rows), columns = static_cast<int>(shape.columns);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(n), rows, columns, 1, x, columns, w, columns, 0, y,
              rows);
#endif
}

void measure(DType type, std::int64_t n, const Shape& shape, const Pages& memory, const ReadProbe& probe,
             double budget) {
  std::vector<float> x(static_cast<std::size_t>(n * shape.columns));
  const Pages sums(n * shape.rows * 4);
  auto* const y = reinterpret_cast<float*>(sums.data());
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(generator);
  const std::int64_t bytes = bytes_of(type, shape.rows, shape.columns);
  const std::int64_t matrices = n > 64 ? 1 : memory.bytes() / bytes;
  Activations activations;
  const auto pass = [&] {
    for (std::int64_t m = 0; m < matrices; ++m) {
      activations.set(x.data(), n, shape.columns, 0, n > 64 ? Rows::many : Rows::few);
      multiply(activations, {type, shape.rows, shape.columns, memory.data() + m * bytes}, y);
    }
  };
  const bool beside_blas = has_blas && type == DType::f32 && omp_get_max_threads() == 1;
  const auto blas_pass = [&] {
    for (std::int64_t m = 0; m < matrices; ++m)
      blas_multiply(n, shape, x.data(), reinterpret_cast<const float*>(memory.data() + m * bytes), y);
  };
  with_team(pass);
  double best = 1e9, best_blas = 1e9, peak = 0, bandwidth = 0, spent = 0;
  for (int round = 0; round < 3 || spent < budget; ++round) {
    const double seconds = seconds_of([&] { with_team(pass); });
    best = std::min(best, seconds);
    spent += seconds;
    if (beside_blas) best_blas = std::min(best_blas, seconds_of(blas_pass));
    peak = std::max(peak, multiply_rate(type));
    if (n <= 64) bandwidth = std::max(bandwidth, probe.rate());
  }
  const double work = static_cast<double>(matrices) / best;
  const double flops = 2.0 * static_cast<double>(n * shape.rows * shape.columns) * work;
  const double read = static_cast<double>(bytes) * work;
  std::printf("%-12s n %4lld  %5lldx%-5lld  %d threads  %7.1f GFLOP/s", name(type).data(), static_cast<long long>(n),
              static_cast<long long>(shape.rows), static_cast<long long>(shape.columns), omp_get_max_threads(),
              flops / 1e9);
  if (peak > 0) std::printf(" %5.1f %% of %7.1f", 100 * flops / peak, peak / 1e9);
  if (bandwidth > 0) std::printf("  %6.2f GB/s %5.1f %% of %6.2f", read / 1e9, 100 * read / bandwidth, bandwidth / 1e9);
  if (beside_blas) std::printf("  BLAS %7.1f GFLOP/s", flops * best / best_blas / 1e9);
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
  const Pages memory(std::int64_t{1} << 30);
  const ReadProbe probe(std::int64_t{1} << 29);
  for (const DType type : {DType::f32, DType::bf16, DType::int8, DType::int8_channel, DType::int4, DType::int4_min}) {
    if (only_type && *only_type != type) continue;
    fill(memory, type);
    for (const int n : {1, 2, 4, 8, 32, 512}) {
      if (only_n > 0 && n != only_n) continue;
      for (const Shape& shape : {Shape{2048, 2048}, Shape{5632, 2048}, Shape{2048, 5632}})
        measure(type, n, shape, memory, probe, budget);
    }
  }
}
