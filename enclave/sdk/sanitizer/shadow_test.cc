#include "enclave/sdk/sanitizer/shadow.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace coffer::sanitizer {
namespace {

class ShadowTest : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 1024;
  alignas(64) std::array<std::byte, kSize> memory_{};
  alignas(8) std::array<std::uint8_t, kSize / kGranule> bytes_{};
  std::uintptr_t begin_ = reinterpret_cast<std::uintptr_t>(memory_.data());
  Shadow shadow_{begin_, kSize, reinterpret_cast<std::uintptr_t>(bytes_.data()) - begin_ / kGranule};
};

TEST_F(ShadowTest, NothingIsBadAtFirst) {
  EXPECT_FALSE(shadow_.first_bad(begin_, kSize));
  EXPECT_TRUE(shadow_.allows(begin_ + 3, 16));
}

TEST_F(ShadowTest, TheFirstBadByteIsTheOneBehindTheEnd) {
  shadow_.poison(begin_ + 64, 64, Poison::kHeap);
  shadow_.unpoison(begin_ + 64, 13);
  EXPECT_FALSE(shadow_.first_bad(begin_, 64 + 13));
  EXPECT_EQ(shadow_.first_bad(begin_, 64 + 14), begin_ + 64 + 13);
  EXPECT_EQ(shadow_.first_bad(begin_ + 90, 4), begin_ + 90);
  EXPECT_EQ(shadow_.at(begin_ + 64), 0);
  EXPECT_EQ(shadow_.at(begin_ + 72), 5);
  EXPECT_EQ(shadow_.at(begin_ + 80), 0xfa);
}

TEST_F(ShadowTest, SmallAccessesAreRightAtEveryPlace) {
  shadow_.poison(begin_ + 128, 64, Poison::kFreed);
  shadow_.unpoison(begin_ + 128, 11);
  for (const std::size_t size : {1, 2, 4, 8, 16}) {
    for (std::size_t at = 100; at < 220; ++at) {
      const bool touches = at + size > 128 + 11 && at < 128 + 64;
      EXPECT_EQ(shadow_.allows(begin_ + at, size), !touches) << at << " " << size;
    }
  }
}

TEST_F(ShadowTest, WhatIsOutsideIsNobodysBusiness) {
  shadow_.poison(begin_, kSize, Poison::kHeap);
  EXPECT_TRUE(shadow_.allows(begin_ - 8, 8));
  EXPECT_TRUE(shadow_.allows(begin_ + kSize, 16));
  EXPECT_FALSE(shadow_.first_bad(begin_ + kSize, 100));
  EXPECT_EQ(shadow_.first_bad(begin_ + kSize - 8, 1000), begin_ + kSize - 8);
  shadow_.unpoison(begin_ + kSize - 16, 1000);  // no further than the range
  EXPECT_FALSE(shadow_.first_bad(begin_ + kSize - 16, 1000));
  EXPECT_FALSE(Shadow().first_bad(begin_, 8));
}

// Against the definition, a byte at a time.
TEST_F(ShadowTest, LongRangesAgreeWithShortOnes) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    for (auto& byte : bytes_) byte = random() % 16 == 0 ? (random() % 2 == 0 ? 0xfa : random() % 8) : 0;
    const std::size_t from = random() % kSize, size = 1 + random() % (kSize - from);
    std::optional<std::uintptr_t> expected;
    for (std::size_t i = from; i < from + size && !expected; ++i) {
      const auto usable = static_cast<std::int8_t>(bytes_[i / kGranule]);
      if (usable < 0 || (usable > 0 && i % kGranule >= static_cast<std::size_t>(usable))) expected = begin_ + i;
    }
    EXPECT_EQ(shadow_.first_bad(begin_ + from, size), expected) << from << " " << size;
  }
}

}  // namespace
}  // namespace coffer::sanitizer
