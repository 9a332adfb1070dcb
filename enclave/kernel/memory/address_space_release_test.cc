// Pages that go back to the platform: when, which, and what becomes of their contents.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "enclave/kernel/memory/address_space.h"
#include "enclave/kernel/memory/fake_pages_for_tests.h"

namespace coffer::kernel {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

class ReleaseTest : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 8192 * kPage;
  static constexpr std::size_t kKept = 256;  // pages that are kept for the next mapping
  FakePages pages_{kSize};
  AddressSpace space_{pages_.base(), kSize, pages_};

  std::uintptr_t map_filled(std::size_t pages, int value = 7) {
    const auto mapped = space_.map(0, pages * kPage, kReadWrite, kAnonymous);
    EXPECT_TRUE(mapped.has_value());
    fill(*mapped, pages, value);
    return *mapped;
  }
  void fill(std::uintptr_t address, std::size_t pages, int value) {
    ASSERT_TRUE(space_.prepare_access(address, pages * kPage, true));
    std::memset(reinterpret_cast<void*>(address), value, pages * kPage);
  }
  bool holds(std::uintptr_t address, std::size_t pages, int value) {
    if (!space_.prepare_access(address, pages * kPage, false)) return false;
    const auto* bytes = reinterpret_cast<const unsigned char*>(address);
    return bytes[0] == value && std::memcmp(bytes, bytes + 1, pages * kPage - 1) == 0;
  }
  [[nodiscard]] std::size_t free_pages() const { return space_.usage().committed_free / kPage; }
};

TEST_F(ReleaseTest, WhatNobodyWantsFromOneLookToTheNextGoesBack) {
  const auto address = map_filled(2000);
  EXPECT_FALSE(space_.has_unused());
  ASSERT_TRUE(space_.unmap(address, 2000 * kPage));
  EXPECT_TRUE(space_.has_unused());
  space_.release_unused();
  EXPECT_EQ(free_pages(), 2000U) << "they may be wanted again";
  const auto used = pages_.pages_used.load();
  space_.release_unused();
  EXPECT_EQ(free_pages(), kKept);
  EXPECT_EQ(pages_.pages_used, used - (2000 - kKept));
  EXPECT_FALSE(space_.has_unused());
  EXPECT_TRUE(pages_.is_committed(address)) << "the next mapping's place is kept";
  const auto again = map_filled(2000, 9);
  EXPECT_EQ(again, address);
  EXPECT_TRUE(holds(again, 2000, 9));
}

TEST_F(ReleaseTest, ALoopThatMapsAndUnmapsKeepsItsPages) {
  for (int i = 0; i < 20; ++i) {
    const auto address = map_filled(1000);
    ASSERT_TRUE(space_.unmap(address, 1000 * kPage));
    space_.release_unused();
  }
  EXPECT_EQ(pages_.releases, 0U);
}

TEST_F(ReleaseTest, OnlyWhatIsBeyondTheLoopsNeedGoesBack) {
  const auto big = map_filled(3000);
  ASSERT_TRUE(space_.unmap(big, 3000 * kPage));
  for (int i = 0; i < 5; ++i) {
    const auto address = map_filled(1000);
    ASSERT_TRUE(space_.unmap(address, 1000 * kPage));
    space_.release_unused();
  }
  EXPECT_EQ(free_pages(), 1000 + kKept);
}

TEST_F(ReleaseTest, AHostThatGivesPartOrNothingBackChangesNothingElse) {
  const auto address = map_filled(2000);
  ASSERT_TRUE(space_.unmap(address, 2000 * kPage));
  space_.release_unused();
  pages_.release_limit = 0;
  space_.release_unused();
  EXPECT_EQ(free_pages(), 2000U);
  pages_.release_limit = 10;
  space_.release_unused();
  EXPECT_EQ(free_pages(), 1990U);
  EXPECT_TRUE(holds(map_filled(2000, 3), 2000, 3));
}

TEST_F(ReleaseTest, WhatWasDiscardedGoesBackAndReadsAsZero) {
  const auto address = map_filled(1000);
  ASSERT_TRUE(space_.advise(address + 100 * kPage, 800 * kPage, MADV_DONTNEED));
  EXPECT_TRUE(space_.has_unused());
  const auto changes = space_.changes();
  space_.release_unused();
  EXPECT_EQ(pages_.releases, 0U);
  space_.release_unused();
  EXPECT_FALSE(space_.has_unused());
  EXPECT_NE(space_.changes(), changes);
  for (std::size_t page = 0; page < 1000; ++page) {
    EXPECT_EQ(pages_.is_committed(address + page * kPage), page < 100 || page >= 900) << page;
  }
  EXPECT_TRUE(holds(address, 100, 7));
  EXPECT_TRUE(holds(address + 100 * kPage, 800, 0));
  EXPECT_TRUE(holds(address + 900 * kPage, 100, 7));
}

TEST_F(ReleaseTest, WhatWasWrittenSinceItWasDiscardedStays) {
  const auto address = map_filled(600);
  ASSERT_TRUE(space_.advise(address, 600 * kPage, MADV_DONTNEED));
  space_.release_unused();
  fill(address + 50 * kPage, 3, 4);
  fill(address + 300 * kPage, 1, 5);
  space_.release_unused();
  EXPECT_TRUE(holds(address + 50 * kPage, 3, 4));
  EXPECT_TRUE(holds(address + 300 * kPage, 1, 5));
  EXPECT_FALSE(pages_.is_committed(address));
  EXPECT_FALSE(pages_.is_committed(address + 301 * kPage));
  fill(address, 600, 6);
  EXPECT_TRUE(holds(address, 600, 6));
}

TEST_F(ReleaseTest, WhatBecameAnothersIsLeftAlone) {
  const auto address = map_filled(600);
  ASSERT_TRUE(space_.advise(address, 600 * kPage, MADV_DONTNEED));
  space_.release_unused();
  ASSERT_TRUE(space_.protect(address, 200 * kPage, PROT_READ));
  ASSERT_TRUE(space_.unmap(address + 200 * kPage, 200 * kPage));
  pages_.restrict_limit = 0;  // the rest cannot be looked at in peace
  space_.release_unused();
  EXPECT_EQ(pages_.releases, 0U);
  EXPECT_TRUE(holds(address, 200, 0));
  EXPECT_FALSE(space_.prepare_access(address, 1, true));
  fill(address + 400 * kPage, 200, 8);
  EXPECT_TRUE(holds(address + 400 * kPage, 200, 8));
}

TEST_F(ReleaseTest, AFullEpcTakesFromWhatNobodyHas) {
  const auto first = map_filled(500);
  pages_.page_limit = pages_.pages_used + 300;  // bookkeeping too
  const auto blocker = space_.map(0, kPage, PROT_NONE, kAnonymous);
  ASSERT_TRUE(blocker);
  ASSERT_TRUE(space_.unmap(first, 500 * kPage));
  const auto larger = space_.map(0, 700 * kPage, kReadWrite, kAnonymous);  // fits only behind the blocker
  ASSERT_TRUE(larger);
  ASSERT_GT(*larger, *blocker);
  fill(*larger, 700, 1);
  EXPECT_TRUE(holds(*larger, 700, 1));
  EXPECT_GT(pages_.releases, 0U);
  const auto too_large = space_.map(0, 900 * kPage, kReadWrite, kAnonymous);
  ASSERT_TRUE(too_large);
  EXPECT_FALSE(space_.prepare_access(*too_large, 900 * kPage, true));
  EXPECT_FALSE(space_.can_reclaim());
}

TEST_F(ReleaseTest, AFaultWithNothingLeftSaysSoAndCanBeTriedAgain) {
  const auto first = map_filled(100);
  pages_.page_limit = pages_.pages_used + 4;
  const auto blocker = space_.map(0, kPage, PROT_NONE, kAnonymous);
  ASSERT_TRUE(blocker);
  ASSERT_TRUE(space_.unmap(first, 100 * kPage));
  const auto second = space_.map(0, 200 * kPage, kReadWrite, kAnonymous);
  ASSERT_TRUE(second);
  std::size_t out_of_memory = 0;
  for (std::size_t page = 0; page < 60; ++page) {
    while (space_.handle_fault(*second + page * kPage, true) != AddressSpace::FaultResult::kCommitted) {
      ASSERT_TRUE(space_.reclaim(16 * kPage)) << page;
      ++out_of_memory;
    }
    fill(*second + page * kPage, 1, 2);
  }
  EXPECT_GT(out_of_memory, 0U);
  EXPECT_TRUE(holds(*second, 60, 2));
}

TEST_F(ReleaseTest, ThreadsThatMapAndWriteAreNotDisturbed) {
  pages_.yields = true;
  std::atomic<int> working{2};
  const auto work = [&](int value) {
    for (int i = 0; i < 40; ++i) {
      const auto mapped = space_.map(0, 600 * kPage, kReadWrite, kAnonymous);
      ASSERT_TRUE(mapped);
      fill(*mapped, 600, value);
      EXPECT_TRUE(holds(*mapped, 600, value));
      ASSERT_TRUE(space_.unmap(*mapped, 600 * kPage));
    }
    --working;
  };
  std::thread first(work, 1);
  std::thread second(work, 2);
  while (working != 0) space_.release_unused();
  first.join();
  second.join();
  space_.release_unused();
  space_.release_unused();
  EXPECT_EQ(free_pages(), kKept);
}

}  // namespace
}  // namespace coffer::kernel
