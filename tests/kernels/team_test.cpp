// Work that is shared out among the threads of a rank.
#include <doctest/doctest.h>
#include <omp.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tsrun/kernels/team.hpp"

using namespace tsrun;

namespace {

// How often each index was called.
std::vector<int> calls(std::int64_t count, bool worth = true) {
  std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
  share_out(count, worth, [&](std::int64_t i) { seen[static_cast<std::size_t>(i)] += 1; });
  return {seen.begin(), seen.end()};
}

std::vector<int> once(std::int64_t count) { return std::vector<int>(static_cast<std::size_t>(count), 1); }

}  // namespace

TEST_CASE("every index is called once, by any number of threads, within a pass and without") {
  for (const int threads : {1, 2, 3, 5}) {
    omp_set_num_threads(threads);
    for (const std::int64_t count : {0, 1, 2, 7, 1000}) {
      CHECK(calls(count) == once(count));
      CHECK(calls(count, false) == once(count));
    }
    with_team([&] {
      for (int repetition = 0; repetition < 200; ++repetition)
        for (const std::int64_t count : {0, 1, 2, 7, 100}) CHECK(calls(count) == once(count));
      with_team([&] { CHECK(calls(50) == once(50)); });
    });
  }
}

TEST_CASE("threads at hand take part") {
  omp_set_num_threads(2);
  with_team([&] {
    std::atomic<int> here{0};
    share_out(2, true, [&](std::int64_t) {  // each waits for the other: one thread alone would not come back
      here += 1;
      while (here < 2) std::this_thread::yield();
    });
    CHECK(here == 2);
  });
}

TEST_CASE("threads that went to sleep are woken") {
  omp_set_num_threads(3);
  with_team([&] {
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      CHECK(calls(100) == once(100));
    }
  });
}

TEST_CASE("what a pass throws comes out, and the next one runs") {
  omp_set_num_threads(2);
  CHECK_THROWS_WITH_AS(with_team([] { throw std::runtime_error("broken"); }), "broken", std::runtime_error);
  with_team([&] { CHECK(calls(10) == once(10)); });
}

TEST_CASE("what work throws comes out on the thread that shared it out, and the others go on") {
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    with_team([&] {
      for (const std::int64_t thrower : {0, 1, 99}) {
        const auto work = [&](std::int64_t i) {
          if (i == thrower) throw std::runtime_error("no room");
        };
        CHECK_THROWS_WITH_AS(share_out(100, true, work), "no room", std::runtime_error);
        CHECK(calls(100) == once(100));
      }
      const auto all_throw = [](std::int64_t) { throw std::runtime_error("no room"); };
      CHECK_THROWS_WITH_AS(share_out(100, true, all_throw), "no room", std::runtime_error);
    });
    CHECK(calls(10) == once(10));
  }
}

TEST_CASE("memory that comes next may be any, and may end anywhere") {
  omp_set_num_threads(2);
  const std::vector<std::byte> some(100);
  const std::span<const std::byte> all = some;
  const std::vector<NextReads> lists = {
      {}, {all.first(0)}, {all.first(1)}, {all.first(64), all}, {all, all.first(1), all}};
  with_team([&] {
    for (const NextReads& next : lists) {
      fetch_when_idle(next);
      CHECK(calls(10) == once(10));
    }
  });
}
