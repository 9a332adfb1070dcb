// ETRACK's epochs by themselves; the leaves that depend on them are tested with real enclave threads.
#include "processor/tracking.h"

#include <gtest/gtest.h>

namespace coffer::processor {
namespace {

using sgx::LeafError;

class Epochs : public ::testing::Test {
 protected:
  struct Thread {
    std::atomic<bool> inside{false};
    std::atomic<std::uint64_t> entered{0};
  };
  void SetUp() override {
    for (Thread& thread : threads) tracking.watch(thread.inside, thread.entered);
  }
  void enter(std::size_t index) {
    threads[index].inside = true;
    threads[index].entered = tracking.epoch();
  }
  void leave(std::size_t index) { threads[index].inside = false; }

  Thread threads[2];
  Tracking tracking;
};

TEST_F(Epochs, AChangeIsTrackedOnlyAfterEtrack) {
  const std::uint64_t noted = tracking.epoch();
  EXPECT_FALSE(tracking.tracked_since(noted));
  ASSERT_EQ(tracking.etrack(), LeafError::kSuccess);
  EXPECT_TRUE(tracking.tracked_since(noted));
}

TEST_F(Epochs, AThreadFromBeforeKeepsAChangeUntracked) {
  enter(0);
  const std::uint64_t noted = tracking.epoch();
  ASSERT_EQ(tracking.etrack(), LeafError::kSuccess);
  enter(1);
  EXPECT_FALSE(tracking.tracked_since(noted));
  leave(0);
  EXPECT_TRUE(tracking.tracked_since(noted)) << "who entered after ETRACK does not count";
  enter(0);
  EXPECT_TRUE(tracking.tracked_since(noted));
}

TEST_F(Epochs, TheNextCycleWaitsForThePreviousOne) {
  enter(0);
  ASSERT_EQ(tracking.etrack(), LeafError::kSuccess) << "threads of the current epoch are no hindrance";
  EXPECT_EQ(tracking.etrack(), LeafError::kPreviousTrackIncomplete);
  leave(0);
  EXPECT_EQ(tracking.etrack(), LeafError::kSuccess);
}

TEST_F(Epochs, AThreadOnItsWayInCountsAsAnOldOne) {
  const std::uint64_t noted = tracking.epoch();
  ASSERT_EQ(tracking.etrack(), LeafError::kSuccess);
  threads[0].inside = true;
  EXPECT_FALSE(tracking.tracked_since(noted));
  EXPECT_TRUE(tracking.anyone_inside());
  leave(0);
  EXPECT_FALSE(tracking.anyone_inside());
}

}  // namespace
}  // namespace coffer::processor
