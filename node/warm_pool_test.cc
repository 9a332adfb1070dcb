#include "node/warm_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace coffer::node {
namespace {

constexpr std::uint64_t kFile = WarmPool::kFileSize;

class Mapping {
 public:
  explicit Mapping(const FileDescriptor& file)
      : bytes_(static_cast<std::uint8_t*>(::mmap(nullptr, kFile, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0))) {}
  ~Mapping() { ::munmap(bytes_, kFile); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  [[nodiscard]] bool good() const { return bytes_ != MAP_FAILED; }
  [[nodiscard]] std::uint8_t* bytes() const { return bytes_; }

 private:
  std::uint8_t* bytes_;
};

class WarmPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = WarmPool::make(4 * kFile + 5);
    if (!made) GTEST_SKIP() << made.error().message;
    pool_ = std::move(*made);
  }
  WarmPool pool_;
};

TEST_F(WarmPoolTest, AnEnclaveGetsWhatItNeedsAndAtMostHalf) {
  ASSERT_EQ(pool_.ready(), 4U);
  EXPECT_EQ(pool_.take(0).size(), 0U);
  const auto one = pool_.take(1);
  EXPECT_EQ(one.size(), 1U);
  const auto half = pool_.take(~std::uint64_t{0});
  EXPECT_EQ(half.size(), 2U);
  const auto last = pool_.take(5 * kFile);
  EXPECT_EQ(last.size(), 1U);
  EXPECT_TRUE(pool_.take(kFile).empty());
}

TEST_F(WarmPoolTest, WhatCellsLeaveBehindIsZeroBeforeTheNext) {
  auto files = pool_.take(2 * kFile);
  ASSERT_EQ(files.size(), 2U);
  for (const FileDescriptor& file : files) {
    const Mapping mapping(file);
    ASSERT_TRUE(mapping.good());
    std::memset(mapping.bytes(), 0x5a, kFile);
  }
  pool_.give_back(std::move(files));
  EXPECT_EQ(pool_.ready(), 2U);
  EXPECT_EQ(pool_.unclean(), 2U);
  EXPECT_TRUE(pool_.clean_one());
  EXPECT_FALSE(pool_.clean_one());
  EXPECT_FALSE(pool_.clean_one());
  EXPECT_EQ(pool_.ready(), 4U);
  while (pool_.ready() != 0) {
    for (const FileDescriptor& file : pool_.take(kFile)) {
      const Mapping mapping(file);
      ASSERT_TRUE(mapping.good());
      EXPECT_TRUE(std::all_of(mapping.bytes(), mapping.bytes() + kFile, [](std::uint8_t byte) { return byte == 0; }));
    }
  }
}

TEST(NoWarmPool, GivesNothing) {
  WarmPool pool;
  EXPECT_TRUE(pool.take(~std::uint64_t{0}).empty());
  EXPECT_FALSE(pool.clean_one());
}

}  // namespace
}  // namespace coffer::node
