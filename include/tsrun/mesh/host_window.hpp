// Memory that the ranks of one host share: what one of them reads, the others need not read again.
//
// Nobody is told when a byte is there. The ranks agree between writing and reading (Mesh::agree is enough), and each of
// them calls `sync` on both sides of that.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tsrun/mesh/mesh.hpp"

namespace tsrun {

class HostWindow {
 public:
  // Made and given back by all ranks of a host together.
  HostWindow(const Mesh& mesh, std::int64_t bytes);
  HostWindow(const HostWindow&) = delete;
  HostWindow& operator=(const HostWindow&) = delete;
  ~HostWindow();

  std::byte* data() const { return data_; }
  void sync() const;

 private:
  const Mesh& mesh_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::byte* data_ = nullptr;
};

}  // namespace tsrun
