// The file on disk, as POSIX shows it: an owner of the descriptor, and reads and writes at an offset that do not stop
// half way. Nobody's position moves, so that nothing here depends on what was read before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace tsrun {

class Disk {
 public:
  Disk() = default;
  explicit Disk(int descriptor) : descriptor_(descriptor) {}
  Disk(Disk&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Disk& operator=(Disk&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Disk() { close(); }

  bool is_open() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  // 0, or the errno that stopped it.
  int write(std::uint64_t offset, std::span<const std::byte> bytes);
  // Bytes read, fewer than asked only at the end of the file; `error` is 0 or the errno that stopped it.
  std::size_t read(std::uint64_t offset, std::span<std::byte> bytes, int& error) const;
  // 0, or the errno: a full network disk may say so only here.
  int sync();
  int close();

 private:
  int descriptor_ = -1;
};

// "No space left on device"
std::string system_words(int error);
std::string folder_of(const std::string& path);
// Refuses a folder, a device or a pipe where a file will take its name; `next` is the next step.
void refuse_if_not_a_file(const std::string& path, const char* next);
// Bytes free to this user in the file system that holds the folder; -1 if it does not say.
std::int64_t free_bytes(const std::string& folder);

}  // namespace tsrun
