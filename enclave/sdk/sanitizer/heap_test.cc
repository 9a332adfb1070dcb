#include "enclave/sdk/sanitizer/heap.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <vector>

namespace coffer::sanitizer {
namespace {

// Memory of the test's own, so that it has a shadow: given one piece behind the other, and counted.
constexpr std::size_t kRoom = std::size_t{1} << 20;
alignas(4096) std::array<std::byte, kRoom> room;
std::size_t used = 0;
int released = 0;

void* take(std::size_t alignment, std::size_t size) {
  const std::size_t at = (used + alignment - 1) / alignment * alignment;
  if (size > kRoom - at) return nullptr;
  used = at + size;
  return &room[at];
}
constexpr Source kSource{[](std::size_t size) { return take(16, size); },
                         [](std::size_t count, std::size_t size) {
                           void* memory = take(16, count * size);
                           if (memory != nullptr) std::memset(memory, 0, count * size);
                           return memory;
                         },
                         take, [](void*) { ++released; }};

class HeapTest : public testing::Test {
 protected:
  HeapTest() {
    used = 0;
    released = 0;
    room.fill(std::byte{0x55});
  }
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(kRoom / kGranule);
  Shadow shadow_{reinterpret_cast<std::uintptr_t>(room.data()), kRoom,
                 reinterpret_cast<std::uintptr_t>(bytes_.data()) - reinterpret_cast<std::uintptr_t>(room.data()) / 8};
  Heap heap_{shadow_, kSource};

  std::byte* allocate(std::size_t size, std::size_t alignment = 16) {
    return static_cast<std::byte*>(heap_.allocate({.size = size, .alignment = alignment, .stack = 7, .thread = 3}));
  }
  Released release(void* memory, Allocator allocator = Allocator::kMalloc, std::size_t size = 0) {
    return heap_.release(memory, allocator, size, 8, 4);
  }
  bool fine(const std::byte* at) { return shadow_.allows(reinterpret_cast<std::uintptr_t>(at), 1); }
  static std::uintptr_t number(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); }
};

TEST_F(HeapTest, ExactlyTheProgramsBytesMayBeUsed) {
  for (const std::size_t alignment : {16, 32, 64, 256, 4096}) {
    for (const std::size_t size : {0, 1, 7, 8, 13, 16, 100, 5000}) {
      std::byte* block = allocate(size, alignment);
      ASSERT_NE(block, nullptr);
      EXPECT_EQ(number(block) % alignment, 0u);
      EXPECT_FALSE(shadow_.first_bad(number(block), size)) << size;
      for (int i = 1; i <= 64; ++i) EXPECT_FALSE(fine(block - i)) << size << " before " << i;
      for (std::size_t i = 0; i < 16; ++i) EXPECT_FALSE(fine(block + size + i)) << size << " behind " << i;
      EXPECT_EQ(heap_.find(block)->size, size);
    }
  }
}

TEST_F(HeapTest, ZeroedIsZeroAndFreshIsNot) {
  auto* zeroed = static_cast<std::byte*>(heap_.allocate({.size = 100, .zeroed = true}));
  auto* aligned = static_cast<std::byte*>(heap_.allocate({.size = 100, .alignment = 64, .zeroed = true}));
  const std::byte* fresh = allocate(100);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(zeroed[i], std::byte{0});
    EXPECT_EQ(aligned[i], std::byte{0});
    EXPECT_EQ(fresh[i], std::byte{0xbe});
  }
}

TEST_F(HeapTest, WhatIsFreedIsOutOfBoundsAndKnown) {
  std::byte* block = allocate(40);
  EXPECT_EQ(release(block), Released::kDone);
  EXPECT_FALSE(fine(block));
  EXPECT_FALSE(fine(block + 39));
  EXPECT_EQ(released, 0) << "it is in quarantine";
  const Neighbour near = heap_.near(number(block) + 5);
  ASSERT_NE(near.block, nullptr);
  EXPECT_TRUE(near.freed);
  EXPECT_EQ(near.side, Neighbour::Side::kInside);
  EXPECT_EQ(near.distance, 5u);
  EXPECT_EQ(near.block->allocated, 7u);
  EXPECT_EQ(near.block->freed, 8u);
  EXPECT_EQ(near.block->allocating_thread, 3u);
  EXPECT_EQ(near.block->freeing_thread, 4u);
  EXPECT_EQ(heap_.find(block), nullptr);
  EXPECT_EQ(release(block), Released::kTwice);
}

TEST_F(HeapTest, OnlyABlocksBeginCanBeFreed) {
  std::byte* block = allocate(64);
  EXPECT_EQ(release(block + 16), Released::kNoBlock);
  EXPECT_EQ(release(block - 16), Released::kNoBlock);
  EXPECT_EQ(release(block + 8), Released::kNoBlock);
  EXPECT_EQ(release(block + 64), Released::kNoBlock);
  std::uint64_t elsewhere[64] = {};
  EXPECT_EQ(release(elsewhere + 32), Released::kNoBlock);
  EXPECT_EQ(release(room.data() + kRoom - 4096), Released::kNoBlock);
  EXPECT_EQ(release(block), Released::kDone);
}

// A program that writes what looks like a block's structure into its own bytes has no block there.
TEST_F(HeapTest, AStructureInTheProgramsBytesIsNotBelieved) {
  std::byte* block = allocate(256);
  std::memcpy(block, block - sizeof(Block), sizeof(Block));
  EXPECT_EQ(release(block + sizeof(Block)), Released::kNoBlock);
}

TEST_F(HeapTest, TheWayBackIsTheWayThere) {
  auto* one = heap_.allocate({.size = 8, .allocator = Allocator::kNew});
  auto* many = heap_.allocate({.size = 8, .allocator = Allocator::kNewArray});
  auto* sized = heap_.allocate({.size = 8, .allocator = Allocator::kNew});
  EXPECT_EQ(release(one, Allocator::kMalloc), Released::kOtherWay);
  EXPECT_EQ(release(many, Allocator::kNew), Released::kOtherWay);
  EXPECT_EQ(release(sized, Allocator::kNew, 16), Released::kOtherSize);
}

TEST_F(HeapTest, TheQuarantineIsBoundedAndTheOldestLeaveFirst) {
  heap_.set_quarantine(1000);
  std::vector<std::byte*> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(allocate(100));
  for (std::byte* block : blocks) {
    EXPECT_EQ(release(block), Released::kDone);
    EXPECT_LE(heap_.quarantined(), 1000u);
  }
  EXPECT_GE(released, 4);
  EXPECT_TRUE(fine(blocks.front())) << "what has left is the C library's again";
  EXPECT_FALSE(fine(blocks.back()));
  EXPECT_EQ(heap_.near(number(blocks.front())).block, nullptr);
  heap_.set_quarantine(0);
  std::byte* last = allocate(10);
  EXPECT_EQ(release(last), Released::kDone);
  EXPECT_EQ(released, 11);
  EXPECT_EQ(heap_.quarantined(), 0u);
  EXPECT_EQ(release(last), Released::kNoBlock) << "nobody remembers it";
}

TEST_F(HeapTest, NeighboursAreToldFromBothSides) {
  const std::byte* block = allocate(40);
  const Neighbour before = heap_.near(number(block) - 4);
  EXPECT_EQ(before.side, Neighbour::Side::kBefore);
  EXPECT_EQ(before.distance, 4u);
  const Neighbour after = heap_.near(number(block) + 42);
  EXPECT_EQ(after.side, Neighbour::Side::kAfter);
  EXPECT_EQ(after.distance, 2u);
  EXPECT_EQ(heap_.near(number(room.data()) + kRoom - 1).block, nullptr);
}

TEST_F(HeapTest, NoMemoryIsNoBlock) {
  EXPECT_EQ(allocate(kRoom), nullptr);
  EXPECT_EQ(allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(allocate(SIZE_MAX - 64), nullptr);
  EXPECT_EQ(heap_.live_blocks(), 0u);
}

// Random programs: the heap knows exactly the blocks that they have.
TEST_F(HeapTest, KnowsItsBlocks) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  heap_.set_quarantine(2000);
  std::map<std::byte*, std::size_t> blocks;
  for (int step = 0; step < 2000; ++step) {
    if (random() % 2 == 0) {
      const std::size_t size = random() % 200;
      if (std::byte* block = allocate(size)) blocks[block] = size;
    } else if (!blocks.empty()) {
      auto chosen = std::next(blocks.begin(), static_cast<std::ptrdiff_t>(random() % blocks.size()));
      EXPECT_EQ(release(chosen->first), Released::kDone);
      blocks.erase(chosen);
    }
  }
  std::map<std::byte*, std::size_t> found;
  heap_.for_each([&found](const Block& block) { found[reinterpret_cast<std::byte*>(block.begin())] = block.size; });
  EXPECT_EQ(found, blocks);
  EXPECT_EQ(heap_.live_blocks(), blocks.size());
}

}  // namespace
}  // namespace coffer::sanitizer
