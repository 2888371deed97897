// Work on rows for avx512; CMake gives this file its instruction set.
#define TSRUN_SIMD_LEVEL simd_avx512
#define TSRUN_SIMD_BYTES 64
#include "rows_body.hpp"
