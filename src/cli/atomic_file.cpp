#include "atomic_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "tsrun/core/error.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun::cli {

void write_atomically(const std::string& path, const std::string& whole) {
  const std::string part = text(path, ".", getpid(), ".partial");
  std::FILE* const file = std::fopen(part.c_str(), "wb");
  const bool good = file != nullptr && std::fwrite(whole.data(), 1, whole.size(), file) == whole.size();
  if ((file != nullptr && std::fclose(file) != 0) || !good || std::rename(part.c_str(), path.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    std::remove(part.c_str());
    broke(
        {.what = "the result cannot be written: " + why, .where = path, .next = "choose a place that can be written"});
  }
}

}  // namespace tsrun::cli
