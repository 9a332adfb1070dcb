#include "bench/sampling.h"

#include <gtest/gtest.h>

#include <vector>

namespace coffer::bench {
namespace {

Sample from(std::vector<double> values) {
  return [values, next = std::size_t{0}]() mutable -> Result<double> { return values[next++]; };
}

TEST(Sampling, TakesTheBestOfEachSideAndTheBestPair) {
  const Budget three{.time = std::chrono::seconds(0), .at_least = 3};
  const auto best = sample_by_turns(three, from({5, 3, 9}), from({4, 8, 2}));
  ASSERT_TRUE(best);
  EXPECT_EQ(best->samples, 3);
  EXPECT_EQ(best->ours, 3);
  EXPECT_EQ(best->theirs, 2);
  EXPECT_EQ(best->paired_ours, 5);
  EXPECT_EQ(best->paired_theirs, 4);
}

TEST(Sampling, StopsAtTheMostSamplesAndAtAnError) {
  const Budget four{.time = std::chrono::hours(1), .at_least = 1, .at_most = 4};
  const Sample one = [] { return Result<double>(1); };
  EXPECT_EQ(sample_by_turns(four, one, one)->samples, 4);
  const Sample broken = []() -> Result<double> { return fail(ErrorKind::kLost, "gone"); };
  EXPECT_FALSE(sample_by_turns(four, one, broken));
  EXPECT_FALSE(sample_by_turns(four, broken, one));
}

TEST(Sampling, MediansAreOfEachSideAndDifferencesOfNeighbours) {
  const Budget five{.time = std::chrono::seconds(0), .at_least = 5};
  const auto medians = medians_by_turns(five, from({9, 1, 5, 7, 3}), from({2, 2, 90, 1, 1}));
  ASSERT_TRUE(medians);
  EXPECT_EQ(medians->ours, 5);
  EXPECT_EQ(medians->theirs, 2);
  // 1, 2, -60, 3, 100: what one moment did to both sides cancels out.
  const auto difference = median_difference(five, from({11, 52, 30, 8, 101}), from({10, 50, 90, 5, 1}));
  ASSERT_TRUE(difference);
  EXPECT_EQ(*difference, 2);
  const Sample broken = []() -> Result<double> { return fail(ErrorKind::kLost, "gone"); };
  EXPECT_FALSE(median_difference(five, broken, broken));
}

}  // namespace
}  // namespace coffer::bench
