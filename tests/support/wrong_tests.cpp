// Cases that go wrong on rank 2 of 4, for the tests of the test main. Each is chosen by name.
#include <doctest/doctest.h>
#include <mpi.h>

#include <stdexcept>

namespace {

int rank() {
  int r = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &r);
  return r;
}

}  // namespace

TEST_CASE("right") { CHECK(MPI_Barrier(MPI_COMM_WORLD) == MPI_SUCCESS); }

TEST_CASE("check") {
  const int answer = rank() == 2 ? 2 : 42;
  CHECK(answer == 42);
  MPI_Barrier(MPI_COMM_WORLD);
}

TEST_CASE("require") {
  const int answer = rank() == 2 ? 2 : 42;
  CAPTURE(answer);
  REQUIRE(answer == 42);
  MPI_Barrier(MPI_COMM_WORLD);  // where the others would wait for ever
}

TEST_CASE("exception") {
  if (rank() == 2) throw std::runtime_error("lost");
  MPI_Barrier(MPI_COMM_WORLD);
}
