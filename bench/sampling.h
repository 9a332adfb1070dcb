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

// The median sample of each side: for what only single calls show, which disturb each other in batches.
struct Medians {
  double ours = 0, theirs = 0;
};
[[nodiscard]] inline Result<Medians> medians_by_turns(const Budget& budget, const Sample& ours, const Sample& theirs) {
  std::vector<double> first, second;
  const auto end = Clock::now() + budget.time;
  const auto enough = [&] {
    const auto taken = static_cast<int>(first.size());
    return taken >= budget.at_most || (taken >= budget.at_least && Clock::now() >= end);
  };
  while (!enough()) {
    const auto one = ours();
    if (!one) return std::unexpected(one.error());
    const auto other = theirs();
    if (!other) return std::unexpected(other.error());
    first.push_back(*one);
    second.push_back(*other);
  }
  if (first.empty()) return Medians{};
  const auto middle = static_cast<std::ptrdiff_t>(first.size() / 2);
  std::ranges::nth_element(first, first.begin() + middle);
  std::ranges::nth_element(second, second.begin() + middle);
  return Medians{first[first.size() / 2], second[second.size() / 2]};
}

// How much longer `longer` takes than `shorter`: the median of the differences of neighbours. The best sample of each
// side would come from different moments, and two such of 5 us say nothing about a tenth of one.
[[nodiscard]] inline Result<double> median_difference(const Budget& budget, const Sample& longer,
                                                      const Sample& shorter) {
  double last = 0;
  const auto difference = [&]() -> Result<double> {
    const auto first = longer();
    if (!first) return first;
    const auto second = shorter();
    if (second) last = *first - *second;
    return second;
  };
  const auto medians = medians_by_turns(budget, difference, [&]() -> Result<double> { return last; });
  if (!medians) return std::unexpected(medians.error());
  return medians->theirs;
}

}  // namespace coffer::bench
