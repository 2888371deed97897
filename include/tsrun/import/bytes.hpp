// Bytes that can be read at any place: a file, or an image in memory for tests.
//
// A reader never maps the file: when somebody shortens it meanwhile, a mapping ends the process, a read is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tsrun {

class Bytes {
 public:
  virtual ~Bytes() = default;
  const std::string& name() const { return name_; }  // the path, for messages
  std::uint64_t size() const { return size_; }       // when it was opened
  // Fills `out` from `offset` on. Refuses what lies outside, and a file that has become shorter.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) const = 0;

 protected:
  Bytes(std::string name, std::uint64_t size) : name_(std::move(name)), size_(size) {}
  void require_inside(std::uint64_t offset, std::uint64_t count) const;

 private:
  std::string name_;
  std::uint64_t size_;
};

// Refuses what cannot be opened or is not a regular file (a folder, a pipe).
std::unique_ptr<const Bytes> open_bytes(const std::string& path);
std::unique_ptr<const Bytes> bytes_in_memory(std::vector<std::byte> image, std::string name);

}  // namespace tsrun
