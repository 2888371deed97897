// The instruction sets that the kernels are compiled for, lowest first; the highest this processor has is taken.
//
// TSRUN_SIMD=portable|avx2|avx512|avx512_bf16|amx forces one.
#pragma once

#include <string_view>

namespace tsrun {

// avx512_bf16: with VDPBF16PS and VPDPBUSD; amx: with tiles of bf16, too.
enum class SimdLevel { portable, avx2, avx512, avx512_bf16, amx };

inline constexpr SimdLevel simd_levels[] = {SimdLevel::portable, SimdLevel::avx2, SimdLevel::avx512,
                                            SimdLevel::avx512_bf16, SimdLevel::amx};

std::string_view name(SimdLevel level);
bool processor_has(SimdLevel level);
// Whether many requests ahead are best made into the first cache, as was measured on Zen 5 (taken for later ones of AMD's
// too). Zen 4 reads eight rows of int8 1.4 times as fast if they go into the second; others are treated like it.
bool fills_first_cache();
// The level of this process, the same all its life. Refuses a TSRUN_SIMD that is unknown or not to be had here.
SimdLevel simd_level();

}  // namespace tsrun
