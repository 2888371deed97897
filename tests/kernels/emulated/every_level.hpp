// In front of simd_level.cpp (-include): the processor has every level that tests emulate (avx512.hpp), if it has AVX2.
#pragma once

#include <cpuid.h>
#include <unistd.h>

#include <string_view>

#define __builtin_cpu_supports(feature) \
  (std::string_view(feature).substr(0, 6) == "avx512" ? 1 : __builtin_cpu_supports(feature))
#define __get_cpuid_count(leaf, subleaf, a, b, c, d) (*(a) = *(b) = *(c) = *(d) = ~0U, 1)
#define syscall(number, request, feature) (static_cast<void>(request), static_cast<void>(feature), 0L)
