// Products with packed weights for avx512_bf16; CMake gives this file its instruction set.
#define TSRUN_SIMD_LEVEL simd_avx512_bf16
#define TSRUN_SIMD_BYTES 64
#include "packed_body.hpp"
