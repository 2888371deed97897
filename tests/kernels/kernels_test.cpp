// The rows between products and attention against plain loops in double.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "random_floats.hpp"
#include "tsrun/kernels/rows.hpp"

using namespace tsrun;
using tsrun::test::random_floats;

TEST_CASE("the best id of the vocabulary is real, and the smallest of equals") {
  const float logits[] = {1, 7, 7, 3, 99};
  const Best best = best_of(logits, {10, 5, 14});  // id 14 is padding
  CHECK(best.id == 11);
  CHECK(best.logit == 7);
  CHECK(best_of(logits, {20, 5, 14}).logit < -1e30F);
}

TEST_CASE("a log-probability is put together from parts of the vocabulary") {
  const auto logits = random_floats(12, 10);
  for (std::int32_t target = 0; target < 10; ++target) {
    double sum = 0;
    for (std::size_t i = 0; i < 10; ++i) sum += std::exp(static_cast<double>(logits[i]));
    std::vector<MaskSums> parts;
    for (std::int64_t first = 0; first < 16; first += 4)
      parts.push_back(mask_sums(logits.data() + (first < 12 ? first : 0), {first, 4, 10}, target));
    CHECK(log_probability(parts) == doctest::Approx(logits[static_cast<std::size_t>(target)] - std::log(sum)).epsilon(1e-6));
  }
}
