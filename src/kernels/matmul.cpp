#include "tsrun/kernels/matmul.hpp"

#include <cstdlib>
#include <string>

#include "tsrun/core/error.hpp"

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

}  // namespace tsrun
