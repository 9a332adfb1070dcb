// Samples of two sides, taken by turns, so that what else the machine does meets both alike.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "base/result.h"

namespace coffer::bench {

using Clock = std::chrono::steady_clock;

// How long one item may take, and how many samples of each side it needs at least and may take at most.
struct Budget {
  std::chrono::duration<double> time{1};
  int at_least = 3;
  int at_most = 1'000'000;
};

// The best sample of each side: what the code costs where nothing else interferes. Both sides get the same number.
struct Best {
  double ours = 0, theirs = 0;
  // The pair, taken at one time, with the smallest sum: for what depends on where the hypervisor has the CPUs just now.
  double paired_ours = 0, paired_theirs = 0;
  int samples = 0;
};

using Sample = std::function<Result<double>()>;

[[nodiscard]] inline Result<Best> sample_by_turns(const Budget& budget, const Sample& ours, const Sample& theirs) {
  Best best;
  const auto end = Clock::now() + budget.time;
  while (best.samples < budget.at_least || (best.samples < budget.at_most && Clock::now() < end)) {
    const auto first = ours();
    if (!first) return std::unexpected(first.error());
    const auto second = theirs();
    if (!second) return std::unexpected(second.error());
    const bool none = best.samples++ == 0;
    best.ours = none ? *first : std::min(best.ours, *first);
    best.theirs = none ? *second : std::min(best.theirs, *second);
    if (none || *first + *second < best.paired_ours + best.paired_theirs) {
      best.paired_ours = *first;
      best.paired_theirs = *second;
    }
  }
  return best;
}

// How much longer `longer` takes than `shorter`: the median of the differences of neighbours. The best sample of each
// side would come from different moments, and two such of 5 us say nothing about a tenth of one.
[[nodiscard]] inline Result<double> median_difference(const Budget& budget, const Sample& longer,
                                                      const Sample& shorter) {
  std::vector<double> differences;
  const auto end = Clock::now() + budget.time;
  const auto enough = [&] {
    const auto taken = static_cast<int>(differences.size());
    return taken >= budget.at_most || (taken >= budget.at_least && Clock::now() >= end);
  };
  while (!enough()) {
    const auto first = longer();
    if (!first) return std::unexpected(first.error());
    const auto second = shorter();
    if (!second) return std::unexpected(second.error());
    differences.push_back(*first - *second);
  }
  if (differences.empty()) return 0;
  const auto middle = differences.begin() + static_cast<std::ptrdiff_t>(differences.size() / 2);
  std::ranges::nth_element(differences, middle);
  return *middle;
}

}  // namespace coffer::bench
