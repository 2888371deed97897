// The threads of a rank, kept at hand. Each region of OpenMP wakes its threads by a system call at every barrier, several
// microseconds in all; a decode step of a small model has hundreds of pieces of work that take not much longer. While a
// pass runs, its threads therefore stay in one region, where work is handed over by a counter in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tsrun {

// Work that may be called with any index of a range.
struct Task {
  void (*call)(const void* object, std::int64_t index);
  const void* object;
};

// Calls work(i) for every i < count, on all threads of this rank, and returns when all are done; calls on one thread
// come with ascending i, and long runs of i come first. Of what work throws one comes out, and some i may never be called.
// Work must not share out itself.
void share_out(std::int64_t count, const Task& work);

// The same with a callable; on this thread alone where the work is not `worth` the threads.
template <class Callable>
void share_out(std::int64_t count, bool worth, const Callable& work) {
  if (worth && count > 1)
    return share_out(count, Task{[](const void* object, std::int64_t i) { (*static_cast<const Callable*>(object))(i); },
                                 &work});
  for (std::int64_t i = 0; i < count; ++i) work(i);
}

// Runs `pass` on this thread, with the others at hand for all that it shares out. Elsewhere each sharing gathers them
// anew. May be nested; what the pass throws comes out.
void with_team(const Task& pass);
template <class Callable>
void with_team(const Callable& pass) {
  with_team(Task{[](const void* object, std::int64_t) { (*static_cast<const Callable*>(object))(); }, &pass});
}

// How many threads take part in what is shared out now.
int team_threads();

// What threads that wait for work may fetch into their caches meanwhile: the memory that the next piece of work reads,
// evenly and in the order of its indices. Each fetches the beginning of the run that it will most likely take, as much as
// a second cache can spare. The list must stay until the pass ends.
using NextReads = std::vector<std::span<const std::byte>>;
void fetch_when_idle(const NextReads& next);

}  // namespace tsrun
