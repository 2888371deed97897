// Work on rows for avx2; CMake gives this file its instruction set.
#define TSRUN_SIMD_LEVEL simd_avx2
#define TSRUN_SIMD_BYTES 32
#include "rows_body.hpp"
