#include "tsrun/kernels/simd_level.hpp"

#ifdef TSRUN_X86
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cstdlib>
#include <string>

#include "tsrun/core/error.hpp"

namespace tsrun {
namespace {

#ifdef TSRUN_X86
// Tiles are 8 KiB of state that Linux saves only for processes that ask for it (Documentation/arch/x86/xstate.rst), and
// __builtin_cpu_supports of older compilers does not know them: leaf 7, EDX.
bool may_use_tiles() {
  constexpr unsigned amx_bf16 = 1U << 22, amx_tile = 1U << 24;
  constexpr long ask_permission = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool granted = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & amx_bf16) != 0 && (d & amx_tile) != 0 &&
           syscall(SYS_arch_prctl, ask_permission, tile_data) == 0;
  }();
  return granted;
}
#endif

#ifdef TSRUN_X86
// 0 if it is not AMD's. Families from 15 on are in two fields (AMD64 Architecture Programmer's Manual, CPUID Fn0000_0001).
unsigned amd_family() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0 || b != signature_AMD_ebx || c != signature_AMD_ecx || d != signature_AMD_edx)
    return 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 ? (a >> 8 & 0xf) + (a >> 20 & 0xff) : 0;
}
#endif

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
    case SimdLevel::amx: return "amx";
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
    case SimdLevel::amx:
      return processor_has(SimdLevel::avx512_bf16) && may_use_tiles();
  }
  return false;
#else
  return level == SimdLevel::portable;
#endif
}

bool fills_first_cache() {
#ifdef TSRUN_X86
  constexpr unsigned zen_5 = 0x1a;
  static const bool does = amd_family() >= zen_5;
  return does;
#else
  return false;
#endif
}

SimdLevel simd_level() {
  static const SimdLevel chosen = choose();
  return chosen;
}

}  // namespace tsrun
