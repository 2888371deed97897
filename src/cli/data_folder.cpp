#include "data_folder.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> roots() {
  std::vector<fs::path> all;
  if (const char* const told = std::getenv("TSRUN_DATA"); told != nullptr && *told != '\0') all.emplace_back(told);
  std::error_code failed;
  const fs::path self = fs::read_symlink("/proc/self/exe", failed);
  if (!failed) all.push_back(self.parent_path().parent_path() / "share/tsrun/data");
  all.emplace_back(TSRUN_SOURCE_DATA);
  return all;
}

// Letters to put in, take out or change to make one word of the other.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t before = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = before + (a[i - 1] == b[j - 1] ? 0 : 1);
      before = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, changed}));
    }
  }
  return row.back();
}

}  // namespace

std::string data_path(const std::string& name) {
  std::string looked;
  for (const fs::path& root : roots()) {
    std::error_code failed;
    if (fs::exists(root / name, failed)) return (root / name).string();
    looked += (looked.empty() ? "" : ", ") + root.string();
  }
  refuse({.what = text("there is no ", name, " in ", looked),
          .where = "data",
          .next = "set TSRUN_DATA to the folder that holds chips, models and paper"});
}

std::string named_file(const std::string& folder, const std::string& given, const char* option) {
  if (given.find('/') != std::string::npos || given.ends_with(".json")) return given;
  const fs::path in = data_path(folder);
  std::error_code failed;
  if (fs::exists(in / (given + ".json"), failed)) return (in / (given + ".json")).string();
  std::vector<std::string> known;
  for (fs::directory_iterator entry(in, failed), end; !failed && entry != end; entry.increment(failed))
    if (entry->path().extension() == ".json") known.push_back(entry->path().stem().string());
  if (failed)
    refuse({.what = "the folder cannot be read: " + failed.message(),
            .where = in.string(),
            .next = "check its rights, or set TSRUN_DATA to the folder that holds chips, models and paper"});
  std::sort(known.begin(), known.end());
  std::vector<std::string> nearest = known;
  std::stable_sort(nearest.begin(), nearest.end(),
                   [&](const std::string& a, const std::string& b) { return distance(a, given) < distance(b, given); });
  nearest.resize(std::min<std::size_t>(3, nearest.size()));
  refuse({.what = text("\"", given, "\" is not in ", in.string()),
          .where = option,
          .numbers = {{"nearest", join(nearest)}},
          .next = text("name a file, or one of: ", join(known))});
}

}  // namespace tsrun::cli
