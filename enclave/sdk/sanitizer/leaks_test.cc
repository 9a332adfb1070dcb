#include "enclave/sdk/sanitizer/leaks.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

namespace coffer::sanitizer {
namespace {

using State = LeakCandidate::State;
using Words = std::vector<std::uintptr_t>;

// Blocks of words that point to each other as a test says.
class LeaksTest : public testing::Test {
 protected:
  static void everything(void*, std::uintptr_t begin, std::uintptr_t end,
                         void (*look)(void*, std::uintptr_t, std::uintptr_t), void* search) {
    look(search, begin, end);
  }
  explicit LeaksTest() {
    for (auto& block : blocks_) block = std::make_unique<Words>(8, 0);
  }
  std::uintptr_t at(std::size_t block, std::size_t byte = 0) const {
    return reinterpret_cast<std::uintptr_t>(blocks_[block]->data()) + byte;
  }
  void point(std::size_t from, std::uintptr_t to, std::size_t word = 0) { (*blocks_[from])[word] = to; }

  std::array<State, 6> search(const Words& roots, const Words& values = {}, Touched touched = everything) {
    std::vector<LeakCandidate> candidates;
    for (std::uint32_t i = 0; i < blocks_.size(); ++i) candidates.push_back({at(i), 64, i, State::kLeaked});
    std::vector<std::uint32_t> pending(candidates.size());
    LeakSearch search(candidates, pending, touched, nullptr);
    const auto begin = reinterpret_cast<std::uintptr_t>(roots.data());
    search.add_root(begin, begin + roots.size() * sizeof(std::uintptr_t));
    for (const std::uintptr_t value : values) search.add_root_value(value);
    search.finish();
    std::array<State, 6> result{};
    for (const LeakCandidate& one : candidates) result[one.stack] = one.state;
    return result;
  }
  std::array<std::unique_ptr<Words>, 6> blocks_;
};

constexpr State L = State::kLeaked, I = State::kIndirect, R = State::kReachable;
using States = std::array<State, 6>;

TEST_F(LeaksTest, WithoutRootsEverythingIsLeaked) { EXPECT_EQ(search({}), (States{L, L, L, L, L, L})); }

TEST_F(LeaksTest, WhatIsReachableThroughBlocksIsReachable) {
  point(0, at(1), 7);
  point(1, at(2), 3);
  EXPECT_EQ(search({1, at(0), 2}), (States{R, R, R, L, L, L}));
}

TEST_F(LeaksTest, APointerIntoABlockCountsAndOneBehindItDoesNot) {
  EXPECT_EQ(search({at(0, 63), at(1, 64)}), (States{R, L, L, L, L, L}));
}

TEST_F(LeaksTest, RegistersAreRoots) {
  point(4, at(5));
  EXPECT_EQ(search({}, {at(4, 8)}), (States{L, L, L, L, R, R}));
}

TEST_F(LeaksTest, WhatOnlyALeakedBlockHasIsLeakedWithIt) {
  point(0, at(1));
  point(1, at(2));
  EXPECT_EQ(search({at(5)}), (States{L, I, I, L, L, R}));
}

TEST_F(LeaksTest, OfARingOneIsToldFirst) {
  point(0, at(1));
  point(1, at(0));
  point(2, at(2));
  const States states = search({at(3), at(4), at(5)});
  EXPECT_NE(states[0], R);
  EXPECT_NE(states[1], R);
  EXPECT_EQ((states[0] == L ? 1 : 0) + (states[1] == L ? 1 : 0), 1);
  EXPECT_EQ(states[2], L) << "it points to nobody but itself";
}

// Pages that were never touched are not read.
TEST_F(LeaksTest, WhatIsSaidToBeUntouchedIsNotReadForPointers) {
  EXPECT_EQ(
      search({at(0)}, {},
             [](void*, std::uintptr_t, std::uintptr_t, void (*)(void*, std::uintptr_t, std::uintptr_t), void*) {}),
      (States{L, L, L, L, L, L}));
}

TEST_F(LeaksTest, AnUnalignedWordIsNoPointer) {
  std::array<std::uintptr_t, 3> memory{};
  auto* bytes = reinterpret_cast<unsigned char*>(memory.data());
  const std::uintptr_t value = at(0);
  std::copy_n(reinterpret_cast<const unsigned char*>(&value), sizeof(value), bytes + 3);
  EXPECT_EQ(search({memory.begin(), memory.end()}), (States{L, L, L, L, L, L}));
}

TEST_F(LeaksTest, AnEmptyBlockIsReachedByItsBegin) {
  std::uintptr_t memory[4] = {};
  std::vector<LeakCandidate> candidates{{reinterpret_cast<std::uintptr_t>(memory), 0, 0, L}};
  std::vector<std::uint32_t> pending(1);
  LeakSearch search(candidates, pending, everything, nullptr);
  search.add_root_value(reinterpret_cast<std::uintptr_t>(memory) + 1);
  EXPECT_EQ(candidates[0].state, L);
  search.add_root_value(reinterpret_cast<std::uintptr_t>(memory));
  search.finish();
  EXPECT_EQ(candidates[0].state, R);
}

}  // namespace
}  // namespace coffer::sanitizer
