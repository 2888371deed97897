// Numbers for kernels to work on: normal, the same for the same seed.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace tsrun::test {

inline std::vector<float> random_floats(std::int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(static_cast<std::size_t>(n));
  for (float& x : v) x = normal(generator);
  return v;
}

}  // namespace tsrun::test
