#include "cli/top_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace coffer::cli {
namespace {

using ::testing::HasSubstr;

operate::EnclaveStatus enclave(const std::string& id, std::uint64_t calls, std::uint64_t trapped) {
  operate::EnclaveStatus status;
  status.id = id;
  status.name = "name-of-" + id;
  status.threads = 1;
  status.max_threads = 4;
  status.counters.system_calls = calls;
  status.counters.trapped_system_calls = trapped;
  status.counters.exceptions = trapped;
  status.epc.used_pages = 256;
  status.epc.evictions = calls / 10;
  return status;
}

Look look(std::int64_t ms, std::vector<operate::EnclaveStatus> enclaves) {
  return {.ms = ms, .processes = {{.pid = 7, .command = true, .enclaves = std::move(enclaves)}}};
}

TEST(TopModel, RatesAreBetweenTwoLooks) {
  const auto rows = rows_between(look(1000, {enclave("a", 1000, 10), enclave("b", 0, 0)}),
                                 look(3000, {enclave("b", 0, 0), enclave("a", 5000, 110)}));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].status.id, "a") << "the busiest first";
  EXPECT_DOUBLE_EQ(rows[0].rates.system_calls, 2000);
  EXPECT_DOUBLE_EQ(rows[0].rates.aex, 50);
  EXPECT_DOUBLE_EQ(rows[0].rates.evictions, 200);
  EXPECT_DOUBLE_EQ(rows[0].patched_share, 0.975);
  EXPECT_DOUBLE_EQ(rows[1].patched_share, 1);
}

TEST(TopModel, TheFirstLookHasNoRates) {
  TopModel model;
  model.add(look(1000, {enclave("a", 1000, 0)}));
  ASSERT_EQ(model.rows().size(), 1u);
  EXPECT_DOUBLE_EQ(model.rows()[0].rates.system_calls, 0);
  model.add(look(2000, {enclave("a", 1500, 0), enclave("c", 10, 0)}));
  EXPECT_DOUBLE_EQ(model.rows()[0].rates.system_calls, 500);
  EXPECT_DOUBLE_EQ(model.rows()[1].rates.system_calls, 10) << "a new one began in between";
}

TEST(TopModel, GraphsAreScaledToTheirLargest) {
  EXPECT_EQ(graph({0, 1, 4, 8}, 6), "   ▁▄█") << "six columns, the newest at the right";
  EXPECT_EQ(graph({0, 8, 4}, 2), "█▄");
  EXPECT_EQ(graph({}, 3), "   ");
  EXPECT_EQ(graph({0, 0}, 2), "  ");
}

TEST(TopModel, RatesAreShort) {
  EXPECT_EQ(rate_text(0), "0");
  EXPECT_EQ(rate_text(870), "870");
  EXPECT_EQ(rate_text(12'345), "12.3k");
  EXPECT_EQ(rate_text(4'500'000), "4.5M");
}

TEST(TopModel, TheScreenFitsAnyWindow) {
  TopModel model;
  std::vector<operate::EnclaveStatus> many;
  for (int i = 0; i < 30; ++i) many.push_back(enclave("id" + std::to_string(i), 100, 1));
  model.add(look(1000, many));
  for (auto& one : many) one.counters.system_calls += 100;
  model.add(look(2000, many));
  const auto screen = model.screen(120, 40);
  EXPECT_THAT(screen[0], HasSubstr("30 enclaves"));
  EXPECT_THAT(screen[1], HasSubstr("3.0k/s"));
  EXPECT_THAT(screen[5], HasSubstr("100.00%"));
  for (std::size_t height : {1u, 3u, 10u, 40u}) {
    for (std::size_t width : {1u, 20u, 39u, 80u, 300u}) {
      const auto lines = model.screen(width, height);
      EXPECT_LE(lines.size(), height);
      for (const std::string& line : lines) {
        std::size_t columns = 0;
        for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
        EXPECT_LE(columns, width) << line;
      }
    }
  }
}

TEST(TopModel, NobodyRuns) {
  TopModel model;
  model.add({.ms = 1, .processes = {}});
  EXPECT_THAT(model.screen(80, 24).back(), HasSubstr("no enclave"));
}

}  // namespace
}  // namespace coffer::cli
