#include "tsrun/mesh/mesh.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <new>
#include <numeric>
#include <utility>

#include "error_bytes.hpp"
#include "tsrun/core/text.hpp"

namespace tsrun {
namespace {

std::string mpi_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> out{};
  int length = 0;
  MPI_Error_string(code, out.data(), &length);
  return {out.data(), static_cast<std::size_t>(length)};
}

}  // namespace

Mesh::Mesh(const Torus& torus, double timeout_seconds) : torus_(torus), timeout_(timeout_seconds) {
  int ranks = 1;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  if (ranks != torus.size())
    refuse({.what = text("the mesh ", to_text(torus), " does not fit the number of ranks"),
            .where = "--mesh",
            .numbers = {{"chips of the mesh", std::int64_t{torus.size()}}, {"ranks", std::int64_t{ranks}}},
            .next = text("start ", torus.size(), " ranks, or let --mesh auto choose")});
  const std::array<int, 3> sizes = {torus.X, torus.Y, torus.Z}, periodic = {1, 1, 1};
  MPI_Cart_create(MPI_COMM_WORLD, 3, sizes.data(), periodic.data(), 0, &comm_);
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm_, &rank_);
  coord_ = coord_of(torus_, rank_);
  MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host_comm_);
  MPI_Comm_set_errhandler(host_comm_, MPI_ERRORS_RETURN);
  int here = 0, rank_here = 0;
  MPI_Comm_size(host_comm_, &here);
  MPI_Comm_rank(host_comm_, &rank_here);
  const int first = rank_here == 0 ? 1 : 0;  // one rank on each host raises its hand
  wait_for("counting hosts",
           [&](MPI_Request* r) { return MPI_Iallreduce(&first, &hosts_, 1, MPI_INT, MPI_SUM, comm_, r); });
  ranks_of_host_.resize(static_cast<std::size_t>(here));
  wait_for("gathering the ranks of a host", [&](MPI_Request* r) {
    return MPI_Iallgather(&rank_, 1, MPI_INT, ranks_of_host_.data(), 1, MPI_INT, host_comm_, r);
  });
}

Mesh::~Mesh() {
  if (std::uncaught_exceptions() != 0) return;
  MPI_Comm_free(&host_comm_);
  MPI_Comm_free(&comm_);
}

std::size_t Mesh::rank_on_host() const {
  const auto here = std::find(ranks_of_host_.begin(), ranks_of_host_.end(), rank_);
  return static_cast<std::size_t>(here - ranks_of_host_.begin());
}

void Mesh::must(int mpi_code, const char* what) const {
  if (mpi_code != MPI_SUCCESS) end_job(mpi_text(mpi_code), what);
}

void Mesh::end_job(const std::string& why, const char* what) const {
  abort_job(Error(Exit::broke, {.what = text(why, " in ", what), .where = text("rank ", rank_, " on ", host_name())}));
}

void Mesh::wait_all(std::vector<MPI_Request>& requests, const char* what) const {
  using Clock = std::chrono::steady_clock;
  const auto count = static_cast<int>(requests.size());
  Clock::time_point start{};
  for (long polls = 0;; ++polls) {
    int done = 0;
    must(MPI_Testall(count, requests.data(), &done, MPI_STATUSES_IGNORE), what);
    if (done != 0) return;
    if (polls % 1024 != 1023) continue;  // the clock costs more than a poll
    if (start == Clock::time_point{}) start = Clock::now();
    const std::chrono::duration<double> waited = Clock::now() - start;
    if (waited.count() > timeout_) end_job(text("no answer from another rank for ", timeout_, " s (--timeout)"), what);
  }
}

void Mesh::wait_for(const char* what, const std::function<int(MPI_Request*)>& start) const {
  std::vector<MPI_Request> request(1, MPI_REQUEST_NULL);
  must(start(request.data()), what);
  wait_all(request, what);
}

std::optional<Error> Mesh::agreed(const std::optional<Error>& mine, const char* phase) const {
  const int bad = mine ? rank_ : torus_.size();
  int lowest = 0;
  wait_for(phase, [&](MPI_Request* r) { return MPI_Iallreduce(&bad, &lowest, 1, MPI_INT, MPI_MIN, comm_, r); });
  if (lowest == torus_.size()) return {};
  // The lowest rank's, so that every rank tells the same one.
  std::string bytes;
  if (lowest == rank_) {
    Complaint c = mine->complaint();
    c.where = text("rank ", lowest, " on ", host_name(), " while ", phase, c.where.empty() ? "" : ": ", c.where);
    bytes = to_bytes(lowest == 0 ? *mine : Error(mine->exit(), std::move(c)));
  }
  auto size = static_cast<std::int64_t>(bytes.size());
  wait_for(phase, [&](MPI_Request* r) { return MPI_Ibcast(&size, 1, MPI_INT64_T, lowest, comm_, r); });
  bytes.resize(static_cast<std::size_t>(size));
  wait_for(phase, [&](MPI_Request* r) {
    return MPI_Ibcast(bytes.data(), static_cast<int>(size), MPI_CHAR, lowest, comm_, r);
  });
  return error_of(bytes);
}

void Mesh::agree(const std::optional<Error>& mine, const char* phase) const {
  if (const std::optional<Error> error = agreed(mine, phase)) throw Error(*error);
}

void Mesh::together(const char* phase, const std::function<void()>& work) const {
  std::optional<Error> mine;
  try {
    work();
  } catch (const Error& error) {
    mine = error;
  } catch (const std::bad_alloc&) {
    mine = out_of_memory();
  }
  agree(mine, phase);
}

std::vector<double> Mesh::gather(double value) const {
  std::vector<double> all(static_cast<std::size_t>(size()));
  wait_for("gathering statistics",
           [&](MPI_Request* r) { return MPI_Iallgather(&value, 1, MPI_DOUBLE, all.data(), 1, MPI_DOUBLE, comm_, r); });
  return all;
}

std::vector<std::int64_t> Mesh::reduce(std::vector<std::int64_t> values, MPI_Op op) const {
  wait_for("adding up statistics", [&](MPI_Request* r) {
    return MPI_Iallreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T, op, comm_, r);
  });
  return values;
}
std::vector<std::int64_t> Mesh::sum(std::vector<std::int64_t> values) const {
  return reduce(std::move(values), MPI_SUM);
}
std::vector<std::int64_t> Mesh::max(std::vector<std::int64_t> values) const {
  return reduce(std::move(values), MPI_MAX);
}

std::vector<std::vector<int>> Mesh::gather_on_host(const std::vector<int>& mine) const {
  const auto ranks = static_cast<std::size_t>(ranks_on_host());
  const int count = static_cast<int>(mine.size());
  std::vector<int> counts(ranks), places(ranks);
  wait_for("gathering on a host", [&](MPI_Request* r) {
    return MPI_Iallgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, host_comm_, r);
  });
  std::exclusive_scan(counts.begin(), counts.end(), places.begin(), 0);
  std::vector<int> all(static_cast<std::size_t>(places.back() + counts.back()));
  wait_for("gathering on a host", [&](MPI_Request* r) {
    return MPI_Iallgatherv(mine.data(), count, MPI_INT, all.data(), counts.data(), places.data(), MPI_INT, host_comm_, r);
  });
  std::vector<std::vector<int>> of_ranks(ranks);
  for (std::size_t i = 0; i < ranks; ++i)
    of_ranks[i].assign(all.begin() + places[i], all.begin() + places[i] + counts[i]);
  return of_ranks;
}

std::string Mesh::broadcast(std::string from_rank_0) const {
  auto size = static_cast<std::int64_t>(from_rank_0.size());
  wait_for("a broadcast", [&](MPI_Request* r) { return MPI_Ibcast(&size, 1, MPI_INT64_T, 0, comm_, r); });
  from_rank_0.resize(static_cast<std::size_t>(size));
  check(size <= INT_MAX, "what is broadcast is counted by an int");
  wait_for("a broadcast", [&](MPI_Request* r) {
    return MPI_Ibcast(from_rank_0.data(), static_cast<int>(size), MPI_CHAR, 0, comm_, r);
  });
  return from_rank_0;
}

}  // namespace tsrun
