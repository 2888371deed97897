#include "tsrun/kernels/matmul.hpp"

#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"

namespace tsrun {

namespace simd_portable {
extern const SimdKernels kernels;
}
#ifdef TSRUN_X86
namespace simd_avx2 {
extern const SimdKernels kernels;
}
namespace simd_avx512 {
extern const SimdKernels kernels;
}
#endif

namespace {

const SimdKernels& choose() {
  const char* const asked = std::getenv("TSRUN_SIMD");
  const std::string_view wanted = asked != nullptr ? asked : "";
  if (wanted == "portable") return simd_portable::kernels;
#ifdef TSRUN_X86
  const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
  if (avx512 && (wanted.empty() || wanted == "avx512")) return simd_avx512::kernels;
  if (avx2 && (wanted.empty() || wanted == "avx2")) return simd_avx2::kernels;
#endif
  if (!wanted.empty())
    refuse({.what = "this processor has no SIMD level \"" + std::string(wanted) + "\"",
            .where = "TSRUN_SIMD",
            .next = "unset it, or choose one of: portable avx2 avx512"});
  return simd_portable::kernels;
}

}  // namespace

const SimdKernels& simd() {
  static const SimdKernels& chosen = choose();
  return chosen;
}

void matmul(const float* x, std::int64_t n, const Matrix& w, float* y, std::int64_t y_stride) {
  if (y_stride == 0) y_stride = w.rows;
  // Rows of x that stay in the second cache while the weights stream by.
  constexpr std::int64_t cached = 64 * 1024;
  const std::int64_t rows = std::max<std::int64_t>(4, cached / std::max<std::int64_t>(1, w.columns) / 4 * 4);
  const std::int64_t strips = std::min<std::int64_t>(ceil_div(w.rows, 4), 8 * omp_get_max_threads());
  const std::int64_t strip = round_up(ceil_div(w.rows, strips), 4);
  const SimdKernels& k = simd();
#pragma omp parallel for schedule(dynamic) if (n * w.rows * w.columns > 65536)
  for (std::int64_t s = 0; s < strips; ++s) {
    const std::int64_t first = s * strip, count = std::min(strip, w.rows - first);
    if (count <= 0) continue;
    for (std::int64_t r = 0; r < n; r += rows)
      k.dots(x + r * w.columns, std::min(rows, n - r), w, first, count, y + r * y_stride + first, y_stride);
  }
}

}  // namespace tsrun
