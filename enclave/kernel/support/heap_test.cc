#include "enclave/kernel/support/heap.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <thread>
#include <vector>

namespace coffer::kernel {
namespace {

std::atomic<std::size_t> pages_out{0};
std::atomic<std::size_t> page_limit{SIZE_MAX};

void* take(std::size_t size) {
  EXPECT_EQ(size % 4096, 0U);
  if (pages_out + size > page_limit) return nullptr;
  void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  pages_out += size;
  return pages;
}

void give_back(void* pages, std::size_t size) {
  EXPECT_EQ(size % 4096, 0U);
  EXPECT_EQ(munmap(pages, size), 0);
  pages_out -= size;
}

class HeapTest : public testing::Test {
 protected:
  ~HeapTest() override { page_limit = SIZE_MAX; }
  Heap heap_{take, give_back};
};

bool is_filled(const void* memory, std::size_t size, unsigned char value) {
  const auto* bytes = static_cast<const unsigned char*>(memory);
  return std::all_of(bytes, bytes + size, [value](unsigned char byte) { return byte == value; });
}

TEST_F(HeapTest, EverySizeIsZeroedAlignedAndDisjoint) {
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t size = 0; size < 3000; size += size < 200 ? 1 : 37) {
    for (const std::size_t alignment : {1U, 16U, 64U, 4096U}) {
      void* memory = heap_.allocate(size, alignment);
      ASSERT_NE(memory, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % std::max<std::size_t>(alignment, 16), 0U);
      ASSERT_TRUE(is_filled(memory, size, 0)) << size;
      std::memset(memory, static_cast<int>(blocks.size() % 251 + 1), size);
      blocks.emplace_back(memory, size);
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    ASSERT_TRUE(is_filled(blocks[i].first, blocks[i].second, static_cast<unsigned char>(i % 251 + 1)));
  }
  for (const auto& [memory, size] : blocks) heap_.release(memory);
  EXPECT_EQ(heap_.live_bytes(), 0U);
}

TEST_F(HeapTest, FreedMemoryIsWipedAtOnceAndUsedAgain) {
  auto* memory = static_cast<unsigned char*>(heap_.allocate(1000));
  std::memset(memory, 0x5a, 1000);
  heap_.release(memory);
  EXPECT_TRUE(is_filled(memory, 1000, 0));
  EXPECT_EQ(heap_.allocate(1000), memory);
  EXPECT_TRUE(is_filled(memory, 1000, 0));
}

TEST_F(HeapTest, LargeBlocksComeFromPagesAndGoBack) {
  const std::size_t before = pages_out;
  for (const std::size_t size : {32768U, 40000U, 1U << 20, (1U << 20) + 4096 - 24, (1U << 20) + 4096 - 23}) {
    for (const std::size_t alignment : {16U, 4096U}) {
      void* memory = heap_.allocate(size, alignment);
      ASSERT_NE(memory, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignment, 0U);
      std::memset(memory, 1, size);
      heap_.release(memory);
      ASSERT_EQ(pages_out, before) << size;
    }
  }
}

TEST_F(HeapTest, TheEndOfMemoryIsSaid) {
  EXPECT_EQ(heap_.allocate(SIZE_MAX), nullptr);
  EXPECT_EQ(heap_.allocate(SIZE_MAX - 64, 4096), nullptr);
  page_limit = pages_out.load();
  EXPECT_EQ(heap_.allocate(10), nullptr);
  EXPECT_EQ(heap_.allocate(100000), nullptr);
  page_limit = SIZE_MAX;
  void* memory = heap_.allocate(10);
  EXPECT_NE(memory, nullptr);
  heap_.release(memory);
  heap_.release(nullptr);
}

TEST_F(HeapTest, MistakesPanic) {
  auto* memory = static_cast<unsigned char*>(heap_.allocate(100));
  EXPECT_DEATH(
      {
        memory[100] = 1;
        heap_.release(memory);
      },
      "beyond a block's end");
  EXPECT_DEATH(heap_.release(memory + 16), "never allocated");
  EXPECT_DEATH(heap_.release(memory + 1), "not a block's address");
  EXPECT_DEATH(static_cast<void>(heap_.allocate(1, 3)), "alignment");
  EXPECT_DEATH(static_cast<void>(heap_.allocate(1, 8192)), "alignment");
  heap_.release(memory);
  EXPECT_DEATH(heap_.release(memory), "freed twice");
}

TEST_F(HeapTest, RandomUseKeepsContents) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const auto work = [this](unsigned thread_seed) {
    std::mt19937 random(thread_seed);
    std::vector<std::pair<unsigned char*, std::size_t>> blocks;
    for (int step = 0; step < 20000; ++step) {
      if (blocks.size() < 50 || (random() % 2 == 0 && blocks.size() < 400)) {
        const std::size_t size = random() % (random() % 20 == 0 ? 100000 : 600);
        auto* memory = static_cast<unsigned char*>(heap_.allocate(size));
        if (memory == nullptr || !is_filled(memory, size, 0)) return false;
        std::memset(memory, static_cast<int>(size % 256), size);
        blocks.emplace_back(memory, size);
      } else {
        std::swap(blocks[random() % blocks.size()], blocks.back());
        const auto [memory, size] = blocks.back();
        if (!is_filled(memory, size, static_cast<unsigned char>(size % 256))) return false;
        heap_.release(memory);
        blocks.pop_back();
      }
    }
    for (const auto& [memory, size] : blocks) heap_.release(memory);
    return true;
  };
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 4; ++i) threads.emplace_back([&, i] { good += work(seed + i); });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
  EXPECT_EQ(heap_.live_bytes(), 0U);
}

}  // namespace
}  // namespace coffer::kernel
