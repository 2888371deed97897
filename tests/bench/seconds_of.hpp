// How long something takes, by the wall clock.
#pragma once

#include <chrono>

namespace tsrun {

double seconds_of(auto&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace tsrun
