// A file that HDF5 sees but the disk does not: its pages in memory, through a file driver of our own.
//
// HDF5 only makes and reads headers here; the tensors' bytes pass it by, straight to and from the disk. So HDF5 meets
// no full disk (after which its caches cannot be closed cleanly), takes no lock, and reads nothing that the seal has
// not covered. What nobody wrote reads as zero, so a hole of the size of a model costs nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>

#include "hdf5.hpp"

namespace tsrun {

class MemoryFile {
 public:
  void write(std::uint64_t offset, std::span<const std::byte> bytes);
  void read(std::uint64_t offset, std::span<std::byte> bytes) const;
  std::uint64_t end() const { return end_; }
  void set_end(std::uint64_t end) { end_ = end; }

 private:
  static constexpr std::size_t page_bytes = 4096;
  using Page = std::array<std::byte, page_bytes>;
  std::unordered_map<std::uint64_t, std::unique_ptr<Page>> pages_;
  std::uint64_t end_ = 0;
};

// An HDF5 file in `memory`, which must outlive it. After the created file is closed, memory.end() is its size.
h5::Id create_hdf5(MemoryFile& memory);
h5::Id open_hdf5(MemoryFile& memory);

}  // namespace tsrun
