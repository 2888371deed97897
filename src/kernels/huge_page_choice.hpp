// Which of a run of pages are taken huge, by how long the last of these took.
//
// A huge page takes a tenth of a millisecond to clear, and plain ones of the same size five times as long. But a virtual
// machine may have given its free memory back to the host, first of all that of which huge pages are made; to fetch one
// again takes up to ten milliseconds. After such a one some are taken plain, twice as many each time, as long as it goes on.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tsrun {

class HugePageChoice {  // for all threads that take pages
 public:
  bool next_is_huge() { return plain_next_.fetch_sub(1) <= 0; }
  void took_huge(bool quickly) {
    if (quickly) {
      rest_ = 1;
      return;
    }
    const std::int64_t rest = rest_;
    for (std::int64_t left = plain_next_; left <= 0;)  // of threads that were slow together the first says so
      if (plain_next_.compare_exchange_weak(left, rest)) rest_ = std::min(2 * rest, most_plain);
  }

 private:
  static constexpr std::int64_t most_plain = 64;
  std::atomic<std::int64_t> plain_next_ = 0, rest_ = 1;  // taken plain before the next huge one, and after it if it is slow
};

}  // namespace tsrun
