#include "packed_kernels.hpp"

namespace tsrun {

namespace simd_portable {
extern const PackedKernels packed;
}
#ifdef TSRUN_X86
namespace simd_avx2 {
extern const PackedKernels packed;
}
namespace simd_avx512 {
extern const PackedKernels packed;
}
namespace simd_avx512_bf16 {
extern const PackedKernels packed;
}
namespace simd_amx {
extern const PackedKernels packed;
}
#endif

const PackedKernels& packed_kernels(SimdLevel level) {
#ifdef TSRUN_X86
  switch (level) {
    case SimdLevel::portable: return simd_portable::packed;
    case SimdLevel::avx2: return simd_avx2::packed;
    case SimdLevel::avx512: return simd_avx512::packed;
    case SimdLevel::avx512_bf16: return simd_avx512_bf16::packed;
    case SimdLevel::amx: return simd_amx::packed;
  }
#endif
  static_cast<void>(level);
  return simd_portable::packed;
}

}  // namespace tsrun
