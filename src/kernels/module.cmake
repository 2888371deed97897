# The inner kernels are compiled once per instruction set and chosen at run time. They say themselves where they fuse a
# multiply with an add: all elements of a product are computed by the same instructions, whatever block they fall in.
set(kernels ${PROJECT_SOURCE_DIR}/src/kernels)
set_source_files_properties(${kernels}/packed_portable.cpp ${kernels}/attention_portable.cpp
                            ${kernels}/rows_portable.cpp PROPERTIES COMPILE_FLAGS "-O3")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 "-mavx2 -mfma -mf16c")
  # GCC 12 warns of its own headers there (its bug 105593).
  set(avx512 "${avx2} -mavx512f -mavx512bw -mavx512vl -mprefer-vector-width=512 -Wno-uninitialized -Wno-maybe-uninitialized")
  set_source_files_properties(${kernels}/packed_avx2.cpp ${kernels}/attention_avx2.cpp
                              ${kernels}/rows_avx2.cpp PROPERTIES COMPILE_FLAGS "-O3 ${avx2}")
  set_source_files_properties(${kernels}/packed_avx512.cpp ${kernels}/attention_avx512.cpp
                              ${kernels}/rows_avx512.cpp PROPERTIES
                              COMPILE_FLAGS "-O3 ${avx512}")
  set_source_files_properties(${kernels}/packed_avx512_bf16.cpp ${kernels}/attention_avx512_bf16.cpp PROPERTIES
                              COMPILE_FLAGS "-O3 ${avx512} -mavx512bf16 -mavx512vnni")
  set_source_files_properties(${kernels}/packed_amx.cpp ${kernels}/attention_amx.cpp PROPERTIES
                              COMPILE_FLAGS "-O3 ${avx512} -mavx512bf16 -mamx-tile -mamx-bf16")
  set_source_files_properties(${kernels}/simd_level.cpp ${kernels}/packed_kernels.cpp ${kernels}/attention.cpp ${kernels}/rows.cpp
                              PROPERTIES COMPILE_DEFINITIONS TSRUN_X86)
else()
  list(FILTER sources EXCLUDE REGEX "/(attention|packed|rows)_(avx|amx)")
endif()
