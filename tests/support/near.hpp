// Closeness of two tensors, in units of how much the reference itself varies.
//
// A difference of 1e-4 means little without a scale: it is divided by the standard deviation of the reference's elements.
// CHECK_NEAR names the worst element, so that a wrong column or a shifted block is seen in the message.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <sstream>
#include <string>

namespace tsrun::test {

inline double deviation_of(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (const float v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (const float v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

struct Distance {
  double error = 0;  // the largest |actual - reference| / deviation; infinite for a NaN or tensors of two sizes
  std::string text;  // where it is, and the two values
};

inline Distance distance(std::span<const float> actual, std::span<const float> reference) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  std::ostringstream text;
  if (actual.size() != reference.size() || reference.empty()) {
    text << actual.size() << " elements against " << reference.size();
    return {infinite, text.str()};
  }
  std::size_t worst = 0;
  double largest = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - static_cast<double>(reference[i]));
    if (difference <= largest) continue;
    largest = std::isnan(difference) ? infinite : difference;
    worst = i;
    if (largest == infinite) break;
  }
  const double deviation = deviation_of(reference);
  text << "worst at " << worst << " of " << actual.size() << ": " << actual[worst] << " against " << reference[worst]
       << ", deviation of the reference " << deviation;
  return {largest == 0 ? 0 : largest / deviation, text.str()};
}

}  // namespace tsrun::test

#define CHECK_NEAR(actual, reference, tolerance)                                        \
  do {                                                                                  \
    const auto distance_ = tsrun::test::distance((actual), (reference));                \
    CHECK_MESSAGE(distance_.error <= (tolerance), "error ", distance_.error, ", ", distance_.text); \
  } while (false)
