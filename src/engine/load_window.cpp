#include "tsrun/engine/load_window.hpp"

#include <algorithm>

#include "tsrun/core/integer.hpp"

namespace tsrun {

LoadWindow load_window(const ModelFile& file, std::int64_t threads_of_host) {
  constexpr std::int64_t least_half = 2 * span_bytes, most_half = 16 * span_bytes;
  static_assert(longest_span <= least_half);
  const std::int64_t half = std::clamp(threads_of_host * span_bytes, least_half, most_half);
  std::int64_t all = 0;
  for (const StoredTensor& tensor : file.tensors())
    for (const TensorSpan& span : spans_of(tensor)) all += round_up(span.bytes, LoadWindow::alignment);
  return {all <= half ? all : 2 * half, half};
}

}  // namespace tsrun
