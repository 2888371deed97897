// Work on rows for portable; CMake gives this file its instruction set.
#define TSRUN_SIMD_LEVEL simd_portable
#define TSRUN_SIMD_BYTES 16
#include "rows_body.hpp"
