// Opening a model file up to the point where HDF5 may look at it.
#pragma once

#include <cstdint>
#include <string>

#include "disk.hpp"
#include "memory_file.hpp"
#include "tsrun/store/seal.hpp"

namespace tsrun {

struct SealedFile {
  std::string path;
  Disk disk;
  Seal seal;
  std::int64_t bytes_read = 0;

  // Exactly these bytes, those of `where`; refuses if the file has become shorter, and ends the job if the disk fails.
  // For any number of threads.
  void read(std::uint64_t offset, std::span<std::byte> out, const std::string& where);
  void read(std::uint64_t offset, std::span<std::byte> out) { read(offset, out, path); }
};

// Refuses (exit 2) what is no whole model file, saying what it is instead.
SealedFile open_sealed(std::string path);

// All bytes that are not tensor data, checked.
MemoryFile read_outside(SealedFile& file);

}  // namespace tsrun
