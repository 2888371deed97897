#include "tsrun/mesh/host_window.hpp"

#include <exception>
#include <string>

#include "tsrun/core/text.hpp"

namespace tsrun {

HostWindow::HostWindow(const Mesh& mesh, std::int64_t bytes) : mesh_(mesh) {
  const std::string making =
      text("making ", human_bytes(static_cast<double>(bytes)),
           " of memory that the ranks of a host share (in /dev/shm; a container is given more of it by --shm-size)");
  const char* const doing = making.c_str();
  const auto mine = static_cast<MPI_Aint>(mesh.rank() == mesh.ranks_of_host().front() ? bytes : 0);
  void* at = nullptr;
  mesh.must(MPI_Win_allocate_shared(mine, 1, MPI_INFO_NULL, mesh.host_comm(), &at, &window_), doing);
  MPI_Aint size = 0;
  int unit = 0;
  mesh.must(MPI_Win_shared_query(window_, 0, &size, &unit, &at), doing);
  mesh.must(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_), doing);
  data_ = static_cast<std::byte*>(at);
}

HostWindow::~HostWindow() {
  if (std::uncaught_exceptions() != 0) return;  // a rank that fails alone must not wait here for the others
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

void HostWindow::sync() const { mesh_.must(MPI_Win_sync(window_), "handing on what was read"); }

}  // namespace tsrun
