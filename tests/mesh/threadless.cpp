// tsrun on an MPI that grants one rank no threads: the library's own start-up, with another answer.
#include <mpi.h>

#include "tsrun/cli/command.hpp"

int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  const int code = PMPI_Init_thread(argc, argv, required, provided);
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 1) *provided = MPI_THREAD_SINGLE;
  return code;
}

int main(int argc, char** argv) { return tsrun::run_command_line(argc, argv); }
