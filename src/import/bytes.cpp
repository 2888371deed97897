#include "tsrun/import/bytes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tsrun/core/error.hpp"
#include "tsrun/core/integer.hpp"
#include "tsrun/core/text.hpp"
#include "words.hpp"

namespace tsrun {
namespace {

class File final : public Bytes {
 public:
  File(const std::string& path, int descriptor, std::uint64_t size) : Bytes(path, size), descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() override { ::close(descriptor_); }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    require_inside(offset, out.size());
    while (!out.empty()) {
      const ssize_t got = ::pread(descriptor_, out.data(), out.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0)
        broke({.what = text("the file cannot be read: ", std::strerror(errno)), .where = name(),
               .numbers = {{"offset", number(offset)}}, .next = "check the disk, then start again"});
      if (got == 0)
        refuse({.what = "the file became shorter while it was read", .where = name(),
                .numbers = {{"offset", number(offset)}, {"size before", number(size())}},
                .next = "wait until the file is complete, then start again"});
      out = out.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
  }

 private:
  int descriptor_;
};

class Memory final : public Bytes {
 public:
  Memory(std::vector<std::byte> image, std::string name)
      : Bytes(std::move(name), image.size()), image_(std::move(image)) {}

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    require_inside(offset, out.size());
    std::copy_n(image_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  }

 private:
  std::vector<std::byte> image_;
};

}  // namespace

void Bytes::require_inside(std::uint64_t offset, std::uint64_t count) const {
  const auto end = checked_add(offset, count);
  if (end && *end <= size_) return;
  refuse({.what = "the file ends before what it should hold", .where = name_,
          .numbers = {{"offset", number(offset)}, {"bytes", number(count)}, {"size", number(size_)}},
          .next = "the file is damaged or not complete; fetch it again"});
}

std::unique_ptr<const Bytes> open_bytes(const std::string& path) {
  // Not blocking: a pipe without a writer would wait for ever.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    refuse({.what = text("the file cannot be opened: ", std::strerror(errno)), .where = path,
            .next = "check the path"});
  struct stat about {};
  const bool known = ::fstat(descriptor, &about) == 0;
  if (!known || !S_ISREG(about.st_mode)) {
    ::close(descriptor);
    refuse({.what = "not a regular file", .where = path, .next = "give the path of a file"});
  }
  return std::make_unique<File>(path, descriptor, static_cast<std::uint64_t>(about.st_size));
}

std::unique_ptr<const Bytes> bytes_in_memory(std::vector<std::byte> image, std::string name) {
  return std::make_unique<Memory>(std::move(image), std::move(name));
}

}  // namespace tsrun
