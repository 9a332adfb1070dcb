#include "emulate/address_map.h"

#include <gtest/gtest.h>

#include "emulate/device.h"

namespace coffer::emulate {
namespace {

std::shared_ptr<Device> device() { return std::make_shared<Device>(Platform{}); }

TEST(AddressMap, EveryPieceKeepsItsProtection) {
  AddressMap map;
  const auto one = device();
  map.assign({0x1000, 0x9000, 1, one});
  map.assign({0x3000, 0x5000, 3, one});
  const auto pieces = map.within(0, ~0ull);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].begin, 0x1000u);
  EXPECT_EQ(pieces[0].end, 0x3000u);
  EXPECT_EQ(pieces[1].protection, 3);
  EXPECT_EQ(pieces[2].begin, 0x5000u);
  EXPECT_EQ(pieces[2].end, 0x9000u);
  EXPECT_EQ(pieces[2].protection, 1);
}

TEST(AddressMap, ErasingCutsOnBothSides) {
  AddressMap map;
  const auto one = device();
  const auto two = device();
  map.assign({0x1000, 0x4000, 1, one});
  map.assign({0x4000, 0x8000, 2, two});
  const auto gone = map.erase(0x2000, 0x6000);
  ASSERT_EQ(gone.size(), 2u);
  EXPECT_EQ(gone[0].device, one);
  EXPECT_EQ(gone[0].begin, 0x2000u);
  EXPECT_EQ(gone[0].end, 0x4000u);
  EXPECT_EQ(gone[1].device, two);
  EXPECT_EQ(gone[1].end, 0x6000u);
  EXPECT_TRUE(map.touches(0x1fff, 0x2000));
  EXPECT_FALSE(map.touches(0x2000, 0x6000));
  EXPECT_TRUE(map.touches(0x5fff, 0x6001));
}

TEST(AddressMap, WithinIsCutToTheRange) {
  AddressMap map;
  map.assign({0x1000, 0x9000, 5, device()});
  const auto pieces = map.within(0x2000, 0x3000);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].begin, 0x2000u);
  EXPECT_EQ(pieces[0].end, 0x3000u);
  EXPECT_TRUE(map.within(0x9000, 0xa000).empty());
  EXPECT_TRUE(map.within(0, 0x1000).empty());
}

}  // namespace
}  // namespace coffer::emulate
