#include <coffer/attest/time.h>

#include <gtest/gtest.h>

#include <ctime>
#include <random>

namespace coffer::attest {
namespace {

TEST(Time, IsReadAndWrittenAsIso8601) {
  EXPECT_EQ(parse_iso8601("1970-01-01T00:00:00Z"), UnixTime{0});
  EXPECT_EQ(parse_iso8601("2025-06-11T19:18:17Z"), UnixTime{1'749'669'497});
  EXPECT_EQ(parse_iso8601("2025-06-11T19:18:17.999Z"), UnixTime{1'749'669'497});
  EXPECT_EQ(parse_iso8601("2000-02-29T12:00:00Z"), UnixTime{951'825'600});
  EXPECT_EQ(to_iso8601(UnixTime{1'749'669'497}), "2025-06-11T19:18:17Z");
  EXPECT_EQ(to_iso8601(UnixTime{-1}), "1969-12-31T23:59:59Z");
  EXPECT_EQ(to_iso8601(UnixTime{std::numeric_limits<std::int64_t>::max()}), "9999-12-31T23:59:59Z");
  EXPECT_EQ(to_iso8601(UnixTime{std::numeric_limits<std::int64_t>::min()}), "0000-01-01T00:00:00Z");
}

TEST(Time, OfNoDayOrAnotherFormIsRefused) {
  for (const char* text :
       {"", "2025-06-11", "2025-06-11T19:18:17", "2025-06-11 19:18:17Z", "2025-06-11T19:18:17+00:00",
        "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z", "2025-06-00T00:00:00Z",
        "2025-06-31T00:00:00Z", "2025-06-11T24:00:00Z", "2025-06-11T19:60:00Z", "2025-06-11T19:18:60Z",
        "2025-06-11T19:18:17Zx", "2025-06-11T19:18:17.Z", "+025-06-11T19:18:17Z", "1900-02-29T00:00:00Z"}) {
    EXPECT_FALSE(parse_iso8601(text)) << text;
  }
}

TEST(Time, OfCertificatesFollowsRfc5280) {
  EXPECT_EQ(parse_utc_time("250611191817Z"), parse_iso8601("2025-06-11T19:18:17Z"));
  EXPECT_EQ(parse_utc_time("491231235959Z"), parse_iso8601("2049-12-31T23:59:59Z"));
  EXPECT_EQ(parse_utc_time("500101000000Z"), parse_iso8601("1950-01-01T00:00:00Z"));
  EXPECT_EQ(parse_generalized_time("20250611191817Z"), parse_iso8601("2025-06-11T19:18:17Z"));
  for (const char* text : {"2506111918Z", "250611191817", "250611191817+0000", "20250611191817Z"}) {
    EXPECT_FALSE(parse_utc_time(text)) << text;
  }
  EXPECT_FALSE(parse_generalized_time("250611191817Z"));
  EXPECT_FALSE(parse_generalized_time("20250611191817.5Z"));
}

// Against the C library's calendar, over four thousand years.
TEST(Time, AgreesWithTheCLibrary) {
  constexpr std::uint32_t kSeed = 20'250'611;
  std::mt19937_64 random(kSeed);
  std::uniform_int_distribution<std::int64_t> seconds(-62'135'596'800, 253'402'300'799);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t moment = seconds(random);
    const std::time_t given = moment;
    std::tm parts{};
    ASSERT_NE(::gmtime_r(&given, &parts), nullptr);
    std::array<char, 32> text{};
    ASSERT_NE(std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", parts.tm_year + 1900,
                            parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec),
              0);
    ASSERT_EQ(to_iso8601(UnixTime{moment}), text.data()) << "seed " << kSeed;
    ASSERT_EQ(parse_iso8601(text.data()), UnixTime{moment}) << "seed " << kSeed;
  }
}

}  // namespace
}  // namespace coffer::attest
