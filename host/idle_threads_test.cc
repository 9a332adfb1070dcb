#include "host/idle_threads.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace coffer::host {
namespace {

TEST(IdleThreads, AreTakenOnceEach) {
  for (const std::uint32_t count : {1u, 62u, 63u, 64u, 200u}) {
    IdleThreads idle(count);
    EXPECT_FALSE(idle.take());
    for (std::uint32_t i = 0; i < count; ++i) EXPECT_FALSE(idle.give(i));
    EXPECT_EQ(idle.count(), count);
    std::set<std::uint32_t> taken;
    while (const auto thread = idle.take()) taken.insert(*thread);
    EXPECT_EQ(taken.size(), count);
    EXPECT_EQ(*taken.rbegin(), count - 1);
    EXPECT_EQ(idle.count(), 0u);
  }
}

TEST(IdleThreads, TellWhoGivesBackThatSomebodyWaits) {
  IdleThreads idle(100);
  idle.announce_waiter();
  EXPECT_FALSE(idle.take()) << "the mark is no thread";
  EXPECT_TRUE(idle.give(3));
  EXPECT_TRUE(idle.give(99));
  EXPECT_EQ(idle.count(), 2u);
  EXPECT_EQ(idle.take(), 3u);
  idle.no_waiter();
  EXPECT_FALSE(idle.give(3));
}

TEST(IdleThreads, AreNeverInTwoHands) {
  constexpr std::uint32_t kCount = 5;
  constexpr int kRounds = 20000;
  IdleThreads idle(kCount);
  for (std::uint32_t i = 0; i < kCount; ++i) (void)idle.give(i);
  std::vector<std::atomic<int>> holders(kCount);
  std::atomic<int> shared{0};
  const auto work = [&] {
    for (int i = 0; i < kRounds; ++i) {
      const auto thread = idle.take();
      if (!thread) continue;
      if (holders[*thread].fetch_add(1) != 0) ++shared;
      holders[*thread].fetch_sub(1);
      (void)idle.give(*thread);
    }
  };
  std::vector<std::thread> workers;
  for (int i = 0; i < 8; ++i) workers.emplace_back(work);
  for (auto& worker : workers) worker.join();
  EXPECT_EQ(shared, 0);
  EXPECT_EQ(idle.count(), kCount);
}

}  // namespace
}  // namespace coffer::host
