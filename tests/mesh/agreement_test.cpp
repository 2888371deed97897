// What one rank meets, all ranks throw.
#include <doctest/doctest.h>

#include <new>
#include <string>

#include "tsrun/mesh/mesh.hpp"

using namespace tsrun;

namespace {

int world_size() {
  int ranks = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  return ranks;
}

// What a rank catches where `work` is done together.
template <class Work>
Error caught(const Mesh& mesh, Work work) {
  try {
    mesh.together("trying", work);
  } catch (const Error& error) {
    return error;
  }
  return Error(Exit::done, {.what = "nothing"});
}

bool says(const Error& error, const std::string& words) {
  return std::string(error.what()).find(words) != std::string::npos;
}

std::string whose(int rank) { return "rank " + std::to_string(rank) + " on " + host_name() + " while trying: "; }

}  // namespace

TEST_CASE("work that goes well everywhere throws nowhere") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  CHECK(caught(mesh, [] {}).exit() == Exit::done);
}

TEST_CASE("the lowest rank's error is thrown on every rank, and names it") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  const int first = world_size() / 2;
  const Error error = caught(mesh, [&] {
    if (mesh.rank() >= first)
      refuse({.what = "wrong on " + std::to_string(mesh.rank()),
              .where = "here",
              .numbers = {{"rank", std::int64_t{mesh.rank()}}, {"part", 0.5}, {"word", std::string("x")}},
              .next = "mend it"});
  });
  CHECK(error.exit() == Exit::request);
  CHECK(says(error, "here: wrong on " + std::to_string(first)));
  CHECK(error.complaint().numbers == Numbers{{"rank", std::int64_t{first}}, {"part", 0.5}, {"word", std::string("x")}});
  CHECK(error.complaint().next == "mend it");
  CHECK(says(error, whose(first)) == (first > 0));  // rank 0's are mostly every rank's
}

TEST_CASE("memory that one rank does not get is an error of all, with the host and a next step") {
  const Mesh mesh({world_size(), 1, 1}, 60);
  for (int rank = 0; rank < mesh.size(); ++rank) {
    const Error error = caught(mesh, [&] {
      if (mesh.rank() == rank) throw std::bad_alloc();
    });
    CHECK(error.exit() == Exit::goal);
    CHECK(says(error, host_name() + ": the system gives this rank no more memory; use more hosts"));
    CHECK(says(error, "--ctx-size or --batch"));
    CHECK(says(error, whose(rank)) == (rank > 0));
  }
}
