#include "tsrun/engine/host_memory.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>

namespace tsrun {
namespace {

using Bytes = std::optional<std::int64_t>;

// Nothing for what is no number ("max" is none), or too large for one.
Bytes number(const std::string& word) {
  std::int64_t value = 0;
  const char* const end = word.data() + word.size();
  const auto [stopped, error] = std::from_chars(word.data(), end, value);
  if (error != std::errc{} || stopped != end || value < 0) return {};
  return value;
}

Bytes first_number(const std::string& path) {
  std::ifstream in(path);
  std::string word;
  return in >> word ? number(word) : Bytes{};
}

// The number behind a word.
Bytes number_of(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  std::string word, value;
  while (in >> word)
    if (word == key) return in >> value ? number(value) : Bytes{};
  return {};
}

// What the two versions of control groups call the same.
struct Names {
  const char *limit, *used;
  // Of this group and those below: pages of files, which give way to what is asked for.
  std::array<const char*, 2> cache;
};
constexpr Names names_1 = {
    "/memory.limit_in_bytes", "/memory.usage_in_bytes", {"total_inactive_file", "total_active_file"}};
constexpr Names names_2 = {"/memory.max", "/memory.current", {"inactive_file", "active_file"}};

// Of one group; nothing if it has no limit, which version 1 writes as a number near 2^63.
Bytes left_in(const std::string& group, const Names& names) {
  constexpr std::int64_t no_limit = std::int64_t{1} << 62;
  const Bytes limit = first_number(group + names.limit), used = first_number(group + names.used);
  if (!limit || !used || *limit >= no_limit) return {};
  std::int64_t held = *used;
  for (const char* const key : names.cache) held -= std::min(held, number_of(group + "/memory.stat", key).value_or(0));
  return std::max<std::int64_t>(0, *limit - held);
}

// The least of the group and those above it. A container may see its own group as the root, and not by its path: then
// only the root is there.
Bytes left_on_the_way_up(const std::string& mount, std::string group, const Names& names) {
  if (!group.starts_with('/') || (group + "/").find("/../") != std::string::npos) group.clear();
  Bytes least;
  for (;; group.erase(group.rfind('/'))) {
    const Bytes left = left_in(mount + group, names);
    if (left && (!least || *left < *least)) least = left;
    if (group.empty()) return least;
  }
}

struct Groups {
  std::string version_1, version_2;
};

// Lines of number:controllers:path; version 2 has the number 0 and names no controllers.
Groups groups_in(const std::string& membership) {
  Groups groups;
  std::ifstream in(membership);
  for (std::string line; std::getline(in, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (line.starts_with("0::")) groups.version_2 = line.substr(second + 1);
    if (controllers.find(",memory,") != std::string::npos) groups.version_1 = line.substr(second + 1);
  }
  return groups;
}

}  // namespace

std::int64_t left_by_control_groups(const std::string& membership, const std::string& mounts) {
  const Groups groups = groups_in(membership);
  std::int64_t least = -1;
  for (const Bytes& left : {left_on_the_way_up(mounts, groups.version_2, names_2),
                            left_on_the_way_up(mounts + "/unified", groups.version_2, names_2),
                            left_on_the_way_up(mounts + "/memory", groups.version_1, names_1)})
    if (left && (least < 0 || *left < least)) least = *left;
  return least;
}

std::int64_t available_memory() {
  const Bytes kib = number_of("/proc/meminfo", "MemAvailable:");
  const std::int64_t host = kib ? *kib * 1024 : -1, groups = left_by_control_groups();
  return host < 0 || groups < 0 ? std::max(host, groups) : std::min(host, groups);
}

std::int64_t peak_resident() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace tsrun
