#include "support/near.hpp"

#include <vector>

using namespace tsrun::test;

TEST_CASE("the error is the largest difference in deviations of the reference, and names its place") {
  const std::vector<float> reference = {1, -1, 1, -1};
  const std::vector<float> actual = {1, -1, 1.5F, -1.25F};
  CHECK(distance(actual, reference).error == 0.5);
  CHECK(distance(actual, reference).text.find("worst at 2 of 4: 1.5 against 1") == 0);
  CHECK_NEAR(actual, reference, 0.5);
}

TEST_CASE("equal tensors are near whatever the reference, and a NaN, another size or a constant missed are not") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(distance(std::vector<float>{3, 3}, std::vector<float>{3, 3}).error == 0);
  CHECK(std::isinf(distance(std::vector<float>{3, 4}, std::vector<float>{3, 3}).error));
  CHECK(std::isinf(distance(std::vector<float>{1, nan, 9}, std::vector<float>{1, 2, 3}).error));
  CHECK(std::isinf(distance(std::vector<float>{1}, std::vector<float>{1, 2}).error));
  CHECK(std::isinf(distance(std::vector<float>{}, std::vector<float>{}).error));
}
