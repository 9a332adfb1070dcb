// Frames, their reuse, and what an enclave leaves behind in the process: nothing.
#include "processor/epc.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "processor/enclave.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::SecinfoFlags;
using testing::build;

constexpr std::uint64_t kPendingRw = 0x200 | SecinfoFlags::kR | SecinfoFlags::kW | SecinfoFlags::kPending;

Epc make_epc(std::uint64_t pages) {
  auto epc = Epc::create(pages * kPageSize, false);
  EXPECT_TRUE(epc);
  return std::move(*epc);
}

TEST(Epc, SizesThatCannotBe) {
  EXPECT_FALSE(Epc::create(0, false));
  EXPECT_FALSE(Epc::create(std::uint64_t{kNoFrame} * kPageSize, false));
  auto odd = Epc::create(kPageSize + 1, false);
  ASSERT_TRUE(odd);
  EXPECT_EQ(odd->frame_count(), 2u) << "rounded up to pages";
}

TEST(Epc, NeighboursFollowNeighbours) {
  Epc epc = make_epc(16);
  for (std::uint32_t expected = 0; expected < 16; expected += 4) {
    auto run = epc.allocate(4);
    ASSERT_TRUE(run);
    EXPECT_EQ(run->first, expected);
    EXPECT_EQ(run->count, 4u);
  }
  EXPECT_FALSE(epc.allocate(1)) << "full";
  EXPECT_EQ(epc.free_count(), 0u);
}

TEST(Epc, GivesTheLongestRunWhereTheWholeIsNotThere) {
  Epc epc = make_epc(10);
  ASSERT_TRUE(epc.allocate(10));
  for (std::uint32_t frame : {1u, 4u, 5u, 6u, 9u}) epc.release(frame);
  auto run = epc.allocate(5);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->first, 4u);
  EXPECT_EQ(run->count, 3u);
  EXPECT_EQ(epc.free_count(), 2u);
  // The end and the beginning are no neighbours.
  epc.release(0);
  run = epc.allocate(3);
  ASSERT_TRUE(run);
  EXPECT_EQ(run->first, 0u);
  EXPECT_EQ(run->count, 2u);
}

TEST(Epc, NoFrameIsGivenTwice) {
  Epc epc = make_epc(64);
  std::vector<bool> taken(64);
  std::uint32_t state = 12345;  // a fixed sequence
  for (int round = 0; round < 5000; ++round) {
    state = state * 1664525 + 1013904223;
    if ((state >> 16 & 1) != 0) {
      auto run = epc.allocate(1 + (state >> 20 & 7));
      ASSERT_EQ(run.has_value(), std::ranges::count(taken, true) < 64);
      for (std::uint32_t i = 0; run && i < run->count; ++i) {
        ASSERT_FALSE(taken[run->first + i]);
        taken[run->first + i] = true;
      }
    } else if (const std::uint32_t frame = state >> 20 & 63; taken[frame]) {
      epc.release(frame);
      taken[frame] = false;
    }
    ASSERT_EQ(epc.free_count(), static_cast<std::uint32_t>(std::ranges::count(taken, false)));
  }
}

class FrameReuse : public ::testing::TestWithParam<bool> {};

// A page that is removed and added again at the same frame has forgotten everything.
TEST_P(FrameReuse, FramesComeZeroed) {
  auto made = build({.epc_size = 40 * kPageSize, .secret_memory = GetParam()});
  ASSERT_TRUE(made.last.ok());
  const auto room = static_cast<std::uint32_t>(40 - made->usage().used_pages);
  auto& secinfo = made.data<sgx::Secinfo>(TE_OPERANDS);
  for (int round = 0; round < 3; ++round) {
    std::uint32_t added = 0;
    ASSERT_TRUE(made->eaug(TE_HEAP, room, &added).ok());
    ASSERT_EQ(added, room);
    secinfo = {SecinfoFlags{kPendingRw}, {}};
    ASSERT_TRUE(made->eaccept(made.address(TE_DATA + TE_OPERANDS), made.address(TE_HEAP), room).ok());
    for (std::uint64_t at = 0; at < room * kPageSize; at += 8) ASSERT_EQ(made.at<std::uint64_t>(TE_HEAP + at), 0u);
    std::memset(&made.at<std::byte>(TE_HEAP), 0xa5, room * kPageSize);
    for (std::uint32_t i = 0; i < room; ++i) ASSERT_TRUE(made->eremove(TE_HEAP + i * kPageSize).ok());
  }
}
INSTANTIATE_TEST_SUITE_P(Memory, FrameReuse, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Secret" : "Ordinary"; });

TEST(EpcExhaustion, IsAPageFaultForEaddAndNothingAddedForEaug) {
  auto small = testing::build_before_einit({.epc_size = 4 * kPageSize});
  EXPECT_EQ(small.built.last.fault, LeafOutcome::Fault::kPageFault);
  auto made = build({.epc_size = 24 * kPageSize});
  ASSERT_TRUE(made.last.ok());
  std::uint32_t added = 0;
  EXPECT_TRUE(made->eaug(TE_HEAP, 64, &added).ok());
  EXPECT_EQ(added, 24 - (made->usage().used_pages - added));
  EXPECT_EQ(made->usage().used_pages, 24u);
  EXPECT_TRUE(made->eaug(TE_HEAP + std::uint64_t{added} * kPageSize, 1, &added).ok());
  EXPECT_EQ(added, 0u);
}

std::size_t mappings() {
  std::ifstream maps("/proc/self/maps");
  return static_cast<std::size_t>(std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
}
std::size_t descriptors() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

TEST(Enclaves, AThousandLeaveNothingBehind) {
  testing::use_traps();
  const auto round = [](int i) {
    auto made = build({.epc_size = 40 * kPageSize, .secret_memory = i % 2 == 0});
    ASSERT_TRUE(made.last.ok());
    ASSERT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit);
    std::uint32_t added = 0;
    ASSERT_TRUE(made->eaug(TE_HEAP, 2, &added).ok());
  };
  for (int i = 0; i < 4; ++i) round(i);
  const std::size_t maps_before = mappings();
  const std::size_t descriptors_before = descriptors();
  for (int i = 0; i < 1000; ++i) round(i);
  EXPECT_LE(mappings(), maps_before + 4) << "the allocator may have grown";
  EXPECT_EQ(descriptors(), descriptors_before);
}

TEST(Enclaves, ARefusedEcreateLeavesNothingBehind) {
  auto warm = testing::build_before_einit({.ssa_frame_size = 0});
  const std::size_t maps_before = mappings();
  for (int i = 0; i < 50; ++i) {
    auto refused = testing::build_before_einit({.ssa_frame_size = 0});
    EXPECT_FALSE(refused.built.last.ok());
  }
  EXPECT_LE(mappings(), maps_before + 4);
}

TEST(ProtectedMemory, SaysWhereMemfdSecretIsMissing) {
  auto memory = ProtectedMemory::open(kPageSize, true);
  ASSERT_TRUE(memory);
  auto ordinary = ProtectedMemory::open(kPageSize, false);
  ASSERT_TRUE(ordinary);
  EXPECT_EQ(ordinary->missing(), "") << "where it is not wanted, nothing is missing";
  void* place = ::mmap(nullptr, kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(place, MAP_FAILED);
  const auto address = reinterpret_cast<std::uintptr_t>(place);
  auto backing = memory->map(address, 0, 1, PROT_READ | PROT_WRITE, Backing::kSecret);
  ASSERT_TRUE(backing);
  EXPECT_EQ(*backing == Backing::kSecret, memory->missing().empty()) << memory->missing();
  auto plain = ordinary->map(address, 0, 1, PROT_READ | PROT_WRITE, Backing::kSecret);
  ASSERT_TRUE(plain);
  EXPECT_EQ(*plain, Backing::kPlain);
  ::munmap(place, kPageSize);
}

}  // namespace
}  // namespace coffer::processor
