#include "node/accounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coffer::node {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr Limits kLimits{.total = 100 * kMiB, .per_user = 60 * kMiB, .enclaves_per_user = 3};

TEST(Accounts, AUserHasItsLimit) {
  Accounts accounts(kLimits);
  EXPECT_TRUE(accounts.reserve(1000, 40 * kMiB));
  const auto refusal = accounts.reserve(1000, 21 * kMiB);
  ASSERT_FALSE(refusal);
  EXPECT_EQ(refusal.error().kind, ErrorKind::kRefused);
  EXPECT_EQ(refusal.error().message,
            "user 1000 has 40 MiB of protected memory and asks for 21 MiB; epc_per_user is 60 MiB");
  EXPECT_TRUE(accounts.reserve(1000, 20 * kMiB));
  EXPECT_EQ(accounts.of(1000).bytes, 60 * kMiB);
}

TEST(Accounts, AllUsersTogetherHaveTheirs) {
  Accounts accounts(kLimits);
  EXPECT_TRUE(accounts.reserve(1, 60 * kMiB));
  const auto refusal = accounts.reserve(2, 41 * kMiB);
  ASSERT_FALSE(refusal);
  EXPECT_THAT(refusal.error().message, ::testing::HasSubstr("epc is 100 MiB"));
  EXPECT_TRUE(accounts.reserve(2, 40 * kMiB));
  EXPECT_EQ(accounts.all().bytes, 100 * kMiB);
  EXPECT_EQ(accounts.all().enclaves, 2U);
}

TEST(Accounts, EnclavesAreCounted) {
  Accounts accounts(kLimits);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(accounts.reserve(7, 0));
  EXPECT_FALSE(accounts.reserve(7, 0));
  EXPECT_TRUE(accounts.reserve(8, 0));
  accounts.release(7, 0);
  EXPECT_TRUE(accounts.reserve(7, 0));
}

TEST(Accounts, WhatIsReleasedIsThereAgain) {
  Accounts accounts(kLimits);
  EXPECT_TRUE(accounts.reserve(1, 60 * kMiB));
  accounts.release(1, 60 * kMiB);
  EXPECT_EQ(accounts.of(1).bytes, 0U);
  EXPECT_EQ(accounts.all().bytes, 0U);
  EXPECT_TRUE(accounts.reserve(1, 60 * kMiB));
}

TEST(Accounts, NoSizeOverflows) {
  Accounts accounts(kLimits);
  EXPECT_TRUE(accounts.reserve(1, kMiB));
  EXPECT_FALSE(accounts.reserve(1, ~std::uint64_t{0}));
  EXPECT_FALSE(accounts.reserve(1, ~std::uint64_t{0} - kMiB + 1));
  EXPECT_EQ(accounts.all().bytes, kMiB);
}

}  // namespace
}  // namespace coffer::node
