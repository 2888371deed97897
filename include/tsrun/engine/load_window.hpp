// The memory in which the ranks of a host hand on to each other what they read of a model file, until all is loaded.
#pragma once

#include <cstdint>
#include <vector>

#include "tsrun/store/model_file.hpp"

namespace tsrun {

// Of one host: the job's ranks, ascending, and the threads of all of them together.
struct HostRanks {
  std::vector<int> ranks;
  std::int64_t threads = 1;
};

struct LoadWindow {
  static constexpr std::int64_t alignment = 64;  // of each span in it

  std::int64_t bytes = 0;
  std::int64_t half = 0;  // what is read at a time, at most
};

// Two halves, one to read into while the other is emptied, or as much as a small file has. A half has a span for each
// thread that reads, but not so few that waiting for each other counts, and no more than is small beside a shard.
LoadWindow load_window(const ModelFile& file, std::int64_t threads_of_host);

}  // namespace tsrun
