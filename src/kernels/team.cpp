#include "tsrun/kernels/team.hpp"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <utility>

#include "tsrun/kernels/threads.hpp"

namespace tsrun {
namespace {

constexpr std::size_t line = 64;
// Of what comes next, as much as a thread fetches.
constexpr std::int64_t most_fetched = 256 << 10;
// Looks for work before a thread goes to sleep: longer than the steps between two products take.
constexpr int most_looks = 4096;

inline void pause() {
#if defined __x86_64__
  __builtin_ia32_pause();
#endif
}

// One for the process: a rank has one set of threads.
struct Team {
  alignas(line) std::atomic<std::uint32_t> handed_over{0};  // pieces of work so far; all else was written before
  alignas(line) std::atomic<std::int64_t> next{0};
  alignas(line) std::atomic<int> busy{0};  // of the others, those that have not finished
  alignas(line) Task work{};
  std::int64_t count = 0;
  int threads = 1;  // 1: nobody stands by
  bool is_over = false;
  std::atomic<const NextReads*> next_reads{nullptr};
  std::atomic<bool> has_thrown{false};  // the first that does leaves here what it threw
  std::exception_ptr thrown;
};
Team team;

// Runs of indices: the first are long, so that memory is read in streams, and the last short, so that all end together.
std::int64_t next_run(std::int64_t left, int threads) { return std::max<std::int64_t>(1, left / (2 * threads)); }

void take_part() noexcept {
  try {
    std::int64_t first = team.next.load(std::memory_order_relaxed);
    while (first < team.count) {
      const std::int64_t last = first + next_run(team.count - first, team.threads);
      if (!team.next.compare_exchange_weak(first, last, std::memory_order_relaxed)) continue;
      for (std::int64_t i = first; i < last; ++i) team.work.call(team.work.object, i);
      first = team.next.load(std::memory_order_relaxed);
    }
  } catch (...) {
    if (!team.has_thrown.exchange(true)) team.thrown = std::current_exception();
    team.next.store(team.count, std::memory_order_relaxed);  // what nobody has begun is left
  }
}

// Between two pieces of work, a few lines at a time of what comes next.
class IdleFetch {
 public:
  IdleFetch(int thread, int threads) : thread_(thread), threads_(threads) {}
  void fetch_some() {
    const NextReads* const reads = team.next_reads.load(std::memory_order_acquire);
    if (reads != reads_) {
      reads_ = reads;
      stretch_ = reads == nullptr ? std::span<const std::byte>{} : stretch_of(*reads);
    }
    constexpr std::size_t lines = 8;
    const std::size_t some = std::min(stretch_.size(), lines * line);
    for (std::size_t at = 0; at < some; at += line) __builtin_prefetch(stretch_.data() + at, 0, 2);
    stretch_ = stretch_.subspan(some);
  }

 private:
  // Threads take their first runs one after the other, this one most likely in its turn.
  std::span<const std::byte> stretch_of(const NextReads& reads) const {
    std::int64_t left = 0;
    for (const auto& r : reads) left += std::ssize(r);
    std::int64_t begin = 0;
    for (int t = 0; t < thread_; ++t) {
      const std::int64_t run = next_run(left, threads_);
      begin += run;
      left -= run;
    }
    for (const auto& r : reads) {
      const std::int64_t size = std::min({most_fetched, next_run(left, threads_), std::ssize(r) - begin});
      if (size > 0) return r.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
      begin -= std::ssize(r);
    }
    return {};
  }

  int thread_, threads_;
  const NextReads* reads_ = nullptr;
  std::span<const std::byte> stretch_;
};

void stand_by(int thread, std::uint32_t seen, int looks) {
  IdleFetch idle(thread, omp_get_num_threads());
  while (true) {
    for (int i = 0; i < looks && team.handed_over.load(std::memory_order_acquire) == seen; ++i) {
      idle.fetch_some();
      pause();
    }
    team.handed_over.wait(seen, std::memory_order_acquire);
    ++seen;
    if (team.is_over) return;
    take_part();
    team.busy.fetch_sub(1, std::memory_order_release);
  }
}

void hand_over() {
  team.handed_over.fetch_add(1);  // in one order with the look for sleepers
  team.handed_over.notify_all();  // no system call unless there are some
}

void wait_for_others() {
  for (int looks = 0; team.busy.load(std::memory_order_acquire) > 0; ++looks)
    if (looks < most_looks) pause();
    else sched_yield();
}

void share_with_those_at_hand(std::int64_t count, const Task& work) {
  team.work = work;
  team.count = count;
  team.next.store(0, std::memory_order_relaxed);
  team.busy.store(team.threads - 1, std::memory_order_relaxed);
  if (team.threads > 1) hand_over();
  take_part();
  wait_for_others();
  if (team.has_thrown.exchange(false)) std::rethrow_exception(std::exchange(team.thrown, nullptr));
}

}  // namespace

void share_out(std::int64_t count, const Task& work) {
  const auto share = [&] { share_with_those_at_hand(count, work); };
  team.threads == 1 ? with_team(share) : share();
}

void with_team(const Task& pass) {
  if (team.threads > 1 || omp_get_max_threads() == 1) return pass.call(pass.object, 0);
  std::exception_ptr thrown;
  team.is_over = false;
  const std::uint32_t before = team.handed_over.load(std::memory_order_relaxed);
  const int looks = omp_get_max_threads() > available_cores() ? 0 : most_looks;
#pragma omp parallel
  {
    if (const int thread = omp_get_thread_num(); thread > 0) {
      stand_by(thread, before, looks);
    } else {
      team.threads = omp_get_num_threads();
      try {
        pass.call(pass.object, 0);
      } catch (...) {
        thrown = std::current_exception();
      }
      team.threads = 1;
      team.next_reads.store(nullptr, std::memory_order_release);
      team.is_over = true;
      hand_over();
    }
  }
  if (thrown) std::rethrow_exception(thrown);
}

int team_threads() { return team.threads > 1 ? team.threads : omp_get_max_threads(); }

void fetch_when_idle(const NextReads& next) {
  if (team.threads > 1) team.next_reads.store(&next, std::memory_order_release);  // a pass, whose end clears it
}

}  // namespace tsrun
