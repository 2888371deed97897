#include "tsrun/engine/host_memory.hpp"

#include <sys/resource.h>

#include <fstream>
#include <string>

namespace tsrun {
namespace {

std::int64_t number_in(const char* path, const std::string& key) {
  std::ifstream in(path);
  std::string word;
  while (in >> word)
    if (key.empty() || word == key) {
      std::int64_t value = -1;
      if (key.empty()) return word == "max" ? -1 : std::stoll(word);
      return in >> value ? value : -1;
    }
  return -1;
}

}  // namespace

std::int64_t available_memory() {
  const std::int64_t kib = number_in("/proc/meminfo", "MemAvailable:");
  std::int64_t available = kib < 0 ? -1 : kib * 1024;
  const std::int64_t limit = number_in("/sys/fs/cgroup/memory.max", "");
  const std::int64_t used = number_in("/sys/fs/cgroup/memory.current", "");
  if (limit >= 0 && used >= 0 && (available < 0 || limit - used < available)) available = limit - used;
  return available;
}

std::int64_t peak_resident() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace tsrun
