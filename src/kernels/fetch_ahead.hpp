// Asking for weights before they are met, for the files that are compiled once for each instruction set.
//
// The multiplications between two lines of weights fill the window in which the processor looks for the next one, and
// memory would rest meanwhile. How far ahead, and into which cache, is what was measured to be best. A first cache that
// takes few requests at a time holds up those that the processor makes by itself, further ahead, so the second one
// takes them there; one or two rows leave it so much to itself that a line now and then, to open the next page, is
// enough.
#pragma once

#include <cstdint>

#include "packed_kernels.hpp"
#include "vectors.hpp"

namespace tsrun::TSRUN_SIMD_LEVEL {
namespace {

// So few rows of whole numbers leave the processor time to spare, and panels one by one are read as one stream.
constexpr int rows_of_one_stream = 2;

// Lines of `bytes` in each panel, `distance` behind those at `at`; behind the end of one whose columns are not cut, of
// the next tile.
template <int panels, int bytes, int distance, int cache>
inline void ask_for(const Tile& t, std::int64_t at) {
  constexpr int line = 64;
  std::int64_t there = at + distance;
  if (panels > 1 && there >= t.panel_bytes) there += (panels - 1) * t.panel_bytes;
#pragma GCC unroll 2
  for (int p = 0; p < panels; ++p)
#pragma GCC unroll 32
    for (int i = 0; i < bytes; i += line) __builtin_prefetch(t.w + p * t.panel_bytes + there + i, 0, cache);
}

// Before the next `bytes` of each panel meet `rows` rows. `near`: fills_first_cache().
template <DType type, int rows, int panels, bool near, int bytes>
inline void fetch_ahead(const Tile& t, std::int64_t at) {
  constexpr bool few = rows <= rows_of_one_stream, by_line = bits(type) > 8;
  if constexpr (vector_bytes < 64) ask_for<panels, bytes, 2048, second_cache>(t, at);
  else if constexpr (near || (by_line && !few)) ask_for<panels, bytes, 4096, first_cache>(t, at);
  else if constexpr (!few) ask_for<panels, bytes, 4096, second_cache>(t, at);
  else if constexpr (by_line) ask_for<panels, bytes, 2048, second_cache>(t, at);
  else ask_for<panels, 64, 8192, second_cache>(t, at);
}

}  // namespace
}  // namespace tsrun::TSRUN_SIMD_LEVEL
