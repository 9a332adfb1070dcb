#include "enclave/sdk/sanitizer/stack_depot.h"

#include <gmock/gmock.h>

#include <vector>

namespace coffer::sanitizer {
namespace {

using Stack = std::vector<std::uint32_t>;
using ::testing::ElementsAreArray;

TEST(StackDepot, TheSameStackIsKeptOnce) {
  std::vector<std::uint32_t> memory(std::size_t{1} << 17);
  StackDepot depot;
  depot.use(memory);
  const auto first = depot.keep(Stack{1, 2, 3});
  const auto second = depot.keep(Stack{1, 2});
  EXPECT_NE(first, 0u);
  EXPECT_NE(first, second);
  EXPECT_EQ(depot.keep(Stack{1, 2, 3}), first);
  EXPECT_THAT(depot.find(first), ElementsAreArray({1, 2, 3}));
  EXPECT_THAT(depot.find(second), ElementsAreArray({1, 2}));
}

TEST(StackDepot, KeepsManyAndThenNoMore) {
  std::vector<std::uint32_t> memory((std::size_t{1} << 16) + 4000);
  StackDepot depot;
  depot.use(memory);
  std::vector<StackDepot::Id> ids;
  for (std::uint32_t i = 0; i < 1000; ++i) ids.push_back(depot.keep(Stack{i}));
  EXPECT_NE(ids[999], 0u);
  EXPECT_EQ(depot.keep(Stack{1000}), 0u);
  EXPECT_EQ(depot.keep(Stack{500}), ids[500]) << "what is there is found again";
  for (std::uint32_t i = 0; i < 1000; ++i) EXPECT_THAT(depot.find(ids[i]), ElementsAreArray({i}));
}

TEST(StackDepot, NothingIsNothing) {
  StackDepot depot;
  EXPECT_EQ(depot.keep(Stack{1}), 0u);
  EXPECT_TRUE(depot.find(0).empty());
  EXPECT_TRUE(depot.find(12345).empty());
}

}  // namespace
}  // namespace coffer::sanitizer
