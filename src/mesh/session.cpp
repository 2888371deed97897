// A process as one of its job: told by the launcher how many there are, joined to the others by MPI, and sure that all
// were started with the same words.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>
#include <utility>

#include "error_bytes.hpp"
#include "tsrun/core/text.hpp"
#include "tsrun/mesh/mesh.hpp"

namespace tsrun {
namespace {

// What launchers tell their processes: Open MPI, PMI (MPICH, Slurm), Slurm.
constexpr std::array size_variables = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
constexpr std::array rank_variables = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};

template <class Names>
long first_number(const Names& names, long otherwise) {
  for (const char* variable : names)
    if (const char* value = std::getenv(variable)) return std::strtol(value, nullptr, 10);
  return otherwise;
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) {
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &thread_level_);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiSession::~MpiSession() {
  // A rank that fails alone must not wait here for the others: it ends the job instead (abort_job).
  if (std::uncaught_exceptions() == 0) MPI_Finalize();
}

Launch launch_of_environment() { return {first_number(size_variables, 1), first_number(rank_variables, 0)}; }

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> out{};
  int length = 0;
  MPI_Get_library_version(out.data(), &length);
  const std::string all(out.data(), static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

bool MpiSession::speaks() const { return size_ > 1 ? rank_ == 0 : launch_of_environment().rank == 0; }

void MpiSession::refuse_singletons() const {
  const long told = launch_of_environment().ranks;
  if (size_ == 1 && told > 1)
    refuse({.what = "this process is alone, but its launcher started several: launcher and MPI library do not match",
            .where = "launch",
            .numbers = {{"started", static_cast<std::int64_t>(told)}, {"in this job", std::int64_t{1}}},
            .next = text("start with the mpirun of ", mpi_library(), ", or with srun --mpi=pmix under Slurm")});
}

void MpiSession::refuse_threadless() const {
  int lowest = thread_level_;
  MPI_Allreduce(&thread_level_, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (lowest >= MPI_THREAD_FUNNELED) return;
  refuse({.what = text(mpi_library(), " does not serve processes that have threads (MPI_THREAD_FUNNELED)"),
          .where = "launch",
          .next = "build tsrun with an MPI library that does, and start it with that one's mpirun"});
}

namespace {

void broadcast(std::string& bytes, int from) {
  auto size = static_cast<std::int64_t>(bytes.size());
  MPI_Bcast(&size, 1, MPI_INT64_T, from, MPI_COMM_WORLD);
  bytes.resize(static_cast<std::size_t>(size));
  MPI_Bcast(bytes.data(), static_cast<int>(size), MPI_CHAR, from, MPI_COMM_WORLD);
}

// The first words, each ended by a zero, that two lists do not share.
std::string first_difference(const std::string& mine, const std::string& other) {
  std::size_t begin = 0;
  const auto word = [&begin](const std::string& words) {
    return begin < words.size() ? text("\"", words.substr(begin, words.find('\0', begin) - begin), "\"") : "nothing";
  };
  for (std::size_t i = 0; i < mine.size() && i < other.size() && mine[i] == other[i]; ++i)
    if (mine[i] == '\0') begin = i + 1;
  return text(word(mine), " against ", word(other));
}

}  // namespace

void MpiSession::refuse_other_words(const std::vector<std::string>& words) const {
  std::string mine;
  for (const std::string& word : words) mine += word + '\0';
  std::string said = mine;
  broadcast(said, 0);
  const int differs = said != mine ? rank_ : size_;
  int lowest = size_;
  MPI_Allreduce(&differs, &lowest, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (lowest == size_) return;
  if (lowest == rank_) said = text(host_name(), '\0', first_difference(mine, said));
  broadcast(said, lowest);
  const std::size_t end = said.find('\0');
  refuse({.what = text("rank ", lowest, " was started with other words than rank 0: ", said.substr(end + 1)),
          .where = said.substr(0, end),
          .next = "start every rank with the same options"});
}

void MpiSession::on_rank_0(const std::function<void()>& work) const {
  std::string refusal;
  if (rank_ == 0) try {
      work();
    } catch (const Error& error) {
      refusal = to_bytes(error);
    }
  broadcast(refusal, 0);
  if (!refusal.empty()) throw error_of(refusal);
}

bool MpiSession::all_come(double seconds) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  for (int all = 0;;) {
    MPI_Test(&request, &all, MPI_STATUS_IGNORE);
    if (all != 0) return true;
    if (std::chrono::duration<double>(Clock::now() - start).count() > seconds) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

std::string host_name() {
  std::array<char, MPI_MAX_PROCESSOR_NAME> out{};
  int length = 0;
  MPI_Get_processor_name(out.data(), &length);
  return {out.data(), static_cast<std::size_t>(length)};
}

Error out_of_memory() {
  return Error(Exit::goal, {.what = "the system gives this rank no more memory",
                            .where = host_name(),
                            .next = "use more hosts, a smaller --ctx-size or --batch"});
}

namespace {

// One for the process, as MPI_Abort is: who ends the job is deep in a wait, and knows nobody who could tell.
std::function<void(const Error&)> tell_abort = [](const Error& error) {
  std::fprintf(stderr, "tsrun: %s\n", error.what());
};

}  // namespace

void tell_aborts_by(std::function<void(const Error&)> tell) { tell_abort = std::move(tell); }

void abort_job(const Error& error) {
  const auto status = static_cast<int>(error.exit());
  tell_abort(error);
  std::fflush(stdout);
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, status);
  _exit(status);
}

}  // namespace tsrun
