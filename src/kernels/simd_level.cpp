#include "tsrun/kernels/simd_level.hpp"

#include <cstdlib>
#include <string>

#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

SimdLevel choose() {
  const char* const asked = std::getenv("TSRUN_SIMD");
  const std::string_view wanted = asked != nullptr ? asked : "";
  SimdLevel best = SimdLevel::portable;
  std::string names;
  for (const SimdLevel level : simd_levels) {
    if (!processor_has(level)) continue;
    if (wanted == name(level)) return level;
    best = level;
    names += " " + std::string(name(level));
  }
  if (!wanted.empty())
    refuse({.what = "this processor has no SIMD level \"" + std::string(wanted) + "\"",
            .where = "TSRUN_SIMD",
            .next = "unset it, or choose one of:" + names});
  return best;
}

}  // namespace

std::string_view name(SimdLevel level) {
  switch (level) {
    case SimdLevel::portable: return "portable";
    case SimdLevel::avx2: return "avx2";
    case SimdLevel::avx512: return "avx512";
    case SimdLevel::avx512_bf16: return "avx512_bf16";
  }
  return "unknown";
}

bool processor_has(SimdLevel level) {
#ifdef TSRUN_X86
  switch (level) {
    case SimdLevel::portable: return true;
    case SimdLevel::avx2:
      return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
             __builtin_cpu_supports("f16c") != 0;
    case SimdLevel::avx512:
      return processor_has(SimdLevel::avx2) && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512vl") != 0;
    case SimdLevel::avx512_bf16:
      return processor_has(SimdLevel::avx512) && __builtin_cpu_supports("avx512bf16") != 0 &&
             __builtin_cpu_supports("avx512vnni") != 0;
  }
  return false;
#else
  return level == SimdLevel::portable;
#endif
}

SimdLevel simd_level() {
  static const SimdLevel chosen = choose();
  return chosen;
}

}  // namespace tsrun
