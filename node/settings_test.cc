#include "node/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coffer::node {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

std::string error_of(std::string_view text) {
  auto settings = parse_settings(text, "cofferd.toml", default_settings(kGiB));
  return settings ? "none" : settings.error().message;
}

TEST(DaemonSettings, AnEmptyFileIsTheDefaults) {
  const auto settings = parse_settings("", "cofferd.toml", default_settings(8 * kGiB));
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->limits.total, 8 * kGiB);
  EXPECT_EQ(settings->limits.per_user, 4 * kGiB);
  EXPECT_EQ(settings->socket, "/run/coffer/cofferd.sock");
}

TEST(DaemonSettings, EveryKeyIsRead) {
  const auto settings = parse_settings(
      "socket = '/tmp/s'\nstate = '/srv/coffer'\nepc = '2G'\nepc_per_user = 1048576\nenclaves_per_user = 3\nwarm = 0\n",
      "cofferd.toml", default_settings(kGiB));
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->socket, "/tmp/s");
  EXPECT_EQ(settings->state, "/srv/coffer");
  EXPECT_EQ(settings->limits.total, 2 * kGiB);
  EXPECT_EQ(settings->limits.per_user, 1048576U);
  EXPECT_EQ(settings->limits.enclaves_per_user, 3U);
  EXPECT_EQ(settings->warm, 0U);
}

TEST(DaemonSettings, WhatIsWrongIsNamedWithItsLine) {
  EXPECT_THAT(error_of("\nepcs = '1G'"), StartsWith("cofferd.toml:2: unknown key epcs; known: socket, state, epc"));
  EXPECT_THAT(error_of("epc = true"), StartsWith("cofferd.toml:1: epc must be a size"));
  EXPECT_THAT(error_of("epc = -1"), StartsWith("cofferd.toml:1: epc must be"));
  EXPECT_THAT(error_of("socket = 'here'"), HasSubstr("absolute path"));
  EXPECT_THAT(error_of("enclaves_per_user = 0"), HasSubstr("from 1 to"));
  EXPECT_THAT(error_of("epc = "), StartsWith("cofferd.toml:1: "));
  EXPECT_THAT(error_of("[ [a]]"), StartsWith("cofferd.toml:1: "));
  EXPECT_THAT(error_of("\"a\\nb\" = 1"), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace coffer::node
