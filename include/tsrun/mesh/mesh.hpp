// The ranks of this job as a 3D torus: who I am, with whom I share a host, and how the job ends.
//
// One owner of the communicators; others borrow. The mesh knows nothing of tensors. A wait for another rank has a
// deadline: a rank that waits longer than `timeout` ends the whole job and says for what it waited. Only what MPI offers
// as blocking calls alone has none (its start and end, making communicators and shared memory), and the comparison of
// the ranks' words, since the deadline is one of them.
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tsrun/core/error.hpp"
#include "tsrun/layout/torus.hpp"

namespace tsrun {

// What the launcher told this process by its environment: 1 and 0 where there was none.
struct Launch {
  long ranks = 1;
  long rank = 0;
};
Launch launch_of_environment();
std::string mpi_library();  // "Open MPI v4.1.4"; may be asked without a session

// MPI from start to end. Finalizes only on the road that all ranks take together: not while an exception unwinds.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
  ~MpiSession();

  int rank() const { return rank_; }
  int size() const { return size_; }
  // Refuses n copies of a one-rank job that a wrong launcher started.
  void refuse_singletons() const;
  // Refuses, on all ranks alike, an MPI library that cannot serve a process with threads (one of them calls it).
  void refuse_threadless() const;
  // Every rank must do the same: refuses, on all ranks alike, words that are not those of rank 0.
  void refuse_other_words(const std::vector<std::string>& words) const;
  bool speaks() const;  // rank 0, and of n singletons the first
  // Runs `work` on rank 0; what it refuses, all ranks refuse.
  void on_rank_0(const std::function<void()>& work) const;
  // Whether all ranks come here within so many seconds, as those do that throw alike.
  bool all_come(double seconds) const;

 private:
  int rank_ = 0;
  int size_ = 1;
  int thread_level_ = 0;  // of MPI, that it granted
};

class Mesh {
 public:
  // Collective over all ranks. Refuses a torus whose product is not the number of ranks.
  Mesh(const Torus& torus, double timeout_seconds);
  Mesh(const Mesh&) = delete;
  Mesh& operator=(const Mesh&) = delete;
  ~Mesh();

  const Torus& torus() const { return torus_; }
  int size() const { return torus_.size(); }
  int rank() const { return rank_; }
  const Coord& coord() const { return coord_; }
  MPI_Comm comm() const { return comm_; }

  int hosts() const { return hosts_; }  // distinct nodes of the job
  // On this rank's node, itself among them, ascending; and their communicator, in which they have the same order.
  const std::vector<int>& ranks_of_host() const { return ranks_of_host_; }
  int ranks_on_host() const { return static_cast<int>(ranks_of_host_.size()); }
  std::size_t rank_on_host() const;
  MPI_Comm host_comm() const { return host_comm_; }
  double timeout() const { return timeout_; }

  // Ends the job, naming rank, host and `what`, if this is not the code of success.
  void must(int mpi_code, const char* what) const;
  // Waits for all requests; past the deadline, or on an MPI error, ends the job naming rank, host and `what`.
  void wait_all(std::vector<MPI_Request>& requests, const char* what) const;

  // All ranks call; if any brings an error, all of them get that of the lowest rank, which is named in it.
  std::optional<Error> agreed(const std::optional<Error>& mine, const char* phase) const;
  // Throws what was agreed.
  void agree(const std::optional<Error>& mine, const char* phase) const;
  // Runs `work` on every rank, then agrees: an Error of one, or memory that one did not get, is thrown on all of them.
  void together(const char* phase, const std::function<void()>& work) const;

  std::vector<double> gather(double value) const;  // of every rank, on every rank
  // Of every rank of this host, on each of them.
  std::vector<std::vector<int>> gather_on_host(const std::vector<int>& mine) const;
  std::vector<std::int64_t> sum(std::vector<std::int64_t> values) const;
  std::vector<std::int64_t> max(std::vector<std::int64_t> values) const;
  std::string broadcast(std::string from_rank_0) const;

 private:
  [[noreturn]] void end_job(const std::string& why, const char* what) const;
  // Starts one collective and waits for it like for any other.
  void wait_for(const char* what, const std::function<int(MPI_Request*)>& start) const;
  std::vector<std::int64_t> reduce(std::vector<std::int64_t> values, MPI_Op op) const;

  Torus torus_;
  double timeout_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  Coord coord_;
  MPI_Comm host_comm_ = MPI_COMM_NULL;
  int hosts_ = 1;
  std::vector<int> ranks_of_host_;
};

// Tells the error and ends every rank of the job at once with its status.
[[noreturn]] void abort_job(const Error& error);
// How this rank tells it; until this is called, by one line on stderr.
void tell_aborts_by(std::function<void(const Error&)> tell);
std::string host_name();
// What std::bad_alloc means to a user, said of this host.
Error out_of_memory();

}  // namespace tsrun
