# The inner kernels are compiled once per instruction set and chosen at run time. Fusing a multiply with an add is
# theirs alone to do: all elements of a product are computed by the same instructions, whatever block they fall in.
set(simd_flags "-O3 -ffp-contract=fast")
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/simd_portable.cpp PROPERTIES COMPILE_FLAGS "${simd_flags}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/simd_avx2.cpp PROPERTIES
                              COMPILE_FLAGS "${simd_flags} -mavx2 -mfma")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/simd_avx512.cpp PROPERTIES
                              COMPILE_FLAGS "${simd_flags} -mavx512f -mavx512bw -mavx512vl -mfma")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/kernels/matmul.cpp PROPERTIES COMPILE_DEFINITIONS TSRUN_X86)
else()
  list(FILTER sources EXCLUDE REGEX "simd_avx")
endif()
