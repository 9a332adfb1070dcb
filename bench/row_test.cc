#include "bench/row.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace coffer::bench {
namespace {

TEST(Row, CostIsWithinReachUpToTheLimit) {
  EXPECT_TRUE(compare_cost("call", "us", 15, "futex", 10, 1.5).ok);
  EXPECT_FALSE(compare_cost("call", "us", 15.1, "futex", 10, 1.5).ok);
  EXPECT_DOUBLE_EQ(*compare_cost("call", "us", 15, "futex", 10, 1.5).ratio, 1.5);
  EXPECT_TRUE(compare_cost("call", "us", 1500, "futex", 10, std::nullopt).ok);
}

TEST(Row, SpeedIsTheOtherWayRound) {
  EXPECT_DOUBLE_EQ(*compare_speed("sort", "ms", 100, 97, 0.97).ratio, 0.97);
  EXPECT_TRUE(compare_speed("sort", "ms", 100, 97, 0.97).ok);
  EXPECT_FALSE(compare_speed("sort", "ms", 100, 96, 0.97).ok);
}

TEST(Row, JsonHasEveryFieldAndNullForWhatIsNot) {
  const Row rows[] = {compare_cost("call", "us", 20, "futex", 10, 1.5), limit_value("inline", "us", 0.5, 1),
                      compare_cost("thread", "us", 20, "outside", 10, std::nullopt)};
  std::ostringstream out;
  print_json(out, rows);
  const auto list = nlohmann::json::parse(out.str());
  ASSERT_EQ(list.size(), 3u);
  for (const auto& entry : list) {
    for (const char* field : {"name", "value", "unit", "counterpart", "ratio", "reach", "ok"}) {
      EXPECT_TRUE(entry.contains(field)) << field;
    }
  }
  EXPECT_EQ(list[0]["ok"], false);
  EXPECT_EQ(list[0]["ratio"], 2.0);
  EXPECT_TRUE(list[1]["counterpart"].is_null());
  EXPECT_EQ(list[1]["reach"], "<= 1 us");
  EXPECT_TRUE(list[2]["reach"].is_null());
}

TEST(Row, TableSaysWhatMissed) {
  const Row rows[] = {compare_cost("call", "us", 20, "futex", 10, 1.5), limit_value("inline", "us", 0.5, 1)};
  std::ostringstream out;
  print_table(out, rows);
  EXPECT_NE(out.str().find("MISSED"), std::string::npos);
  EXPECT_NE(out.str().find("reached"), std::string::npos);
}

}  // namespace
}  // namespace coffer::bench
