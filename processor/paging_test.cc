// EPA, EBLOCK, ETRACK, EWB, ELDU and ELDB: each error, and that what the host does to pages outside is refused.
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <thread>
#include <vector>

#include "processor/enclave.h"
#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::SecinfoFlags;
using testing::build;
using testing::TestEnclave;
using testing::thread_offset;
using Fault = LeafOutcome::Fault;
using Loading = SoftEnclave::Loading;

constexpr std::uint64_t kPage = TE_DATA + 0x3000;  // a page of data that the test enclave itself leaves alone
constexpr std::uint64_t kOther = TE_DATA + 0x2000;

// A page outside, with the memory that it stands in.
struct Outside {
  EvictedPage page;
  std::vector<std::byte> memory = std::vector<std::byte>(kPageSize);
  VersionSlot slot;

  Outside() { page.content = memory.data(); }
  Outside(const Outside& other) : page(other.page), memory(other.memory), slot(other.slot) {
    page.content = memory.data();
  }
  Outside& operator=(const Outside& other) {
    page = other.page;
    memory = other.memory;
    slot = other.slot;
    page.content = memory.data();
    return *this;
  }
};

class Paging : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    testing::use_traps();
    made = build({.threads = 2, .secret_memory = secret()});
    ASSERT_TRUE(made.last.ok());
    ASSERT_TRUE(made->enable_paging(nullptr));
    ASSERT_TRUE(made->epa(&versions).ok());
    for (std::uint64_t i = 0; i < kPageSize; i += 8) made.at<std::uint64_t>(kPage + i) = 0xc0ffee00 + i;
    for (std::uint64_t i = 0; i < kPageSize; i += 8) made.at<std::uint64_t>(kOther + i) = 0xdecade00 + i;
  }
  [[nodiscard]] virtual bool secret() const { return true; }

  LeafOutcome block(std::uint64_t offset, std::uint32_t count = 1) {
    std::uint32_t done = 0;
    return made->eblock(offset, count, &done);
  }
  LeafOutcome write_back(std::uint64_t offset, Outside& outside) {
    std::uint32_t done = 0;
    return made->ewb(offset, std::span(&outside.page, 1), std::span(&outside.slot, 1), &done);
  }
  LeafOutcome load(const Outside& outside, Loading kind = Loading::kUnblocked) {
    std::uint32_t done = 0;
    return made->eld(kind, std::span(&outside.page, 1), std::span(&outside.slot, 1), &done);
  }
  // EBLOCK, ETRACK, EWB.
  Outside evict(std::uint64_t offset, std::uint32_t slot = 0) {
    Outside outside;
    outside.slot = {versions, slot};
    EXPECT_TRUE(block(offset).ok());
    EXPECT_TRUE(made->etrack().ok());
    EXPECT_TRUE(write_back(offset, outside).ok());
    return outside;
  }
  // The `count` frames that were freed last go to fresh pages, which are zero.
  void expect_freed_frames_zeroed(std::uint32_t count) {
    std::uint32_t unused = 0;
    while (made->free_frames() > count) ASSERT_TRUE(made->epa(&unused).ok());
    std::uint32_t added = 0;
    ASSERT_TRUE(made->eaug(TE_HEAP, count, &added).ok());
    ASSERT_EQ(added, count);
    made.at<sgx::Secinfo>(kOther) = {{0x203 | SecinfoFlags::kPending}, {}};
    ASSERT_TRUE(made->eaccept(made.address(kOther), made.address(TE_HEAP), count).ok());
    for (std::uint64_t i = 0; i < count * kPageSize; i += 8) ASSERT_EQ(made.at<std::uint64_t>(TE_HEAP + i), 0u);
  }
  void expect_content(std::uint64_t offset, std::uint64_t first) {
    for (std::uint64_t i = 0; i < kPageSize; i += 8) ASSERT_EQ(made.at<std::uint64_t>(offset + i), first + i);
  }

  TestEnclave made;
  std::uint32_t versions = 0;
};

class Epa : public Paging {};
class Eblock : public Paging {};
class Etrack : public Paging {};
class Ewb : public Paging {};
class Eld : public Paging {};
class PagedMemory : public Paging {
  [[nodiscard]] bool secret() const override { return GetParam(); }
};

TEST_F(Epa, TakesAPageOfTheEpc) {
  const std::uint64_t used = made->usage().used_pages;
  std::uint32_t more = 0;
  ASSERT_TRUE(made->epa(&more).ok());
  EXPECT_NE(more, versions);
  EXPECT_EQ(made->usage().used_pages, used + 1);
  ASSERT_TRUE(made->eremove_versions(more).ok());
  EXPECT_EQ(made->usage().used_pages, used);
  EXPECT_EQ(made->eremove_versions(more).fault, Fault::kPageFault) << "no VA page";
}

TEST_F(Epa, AFullEpcIsAPageFault) {
  std::uint32_t page = 0;
  while (made->epa(&page).ok()) {
  }
  EXPECT_EQ(made->epa(&page).fault, Fault::kPageFault);
  EXPECT_EQ(made->free_frames(), 0u);
}

TEST_F(Epa, SlotsComeEmptyAlsoInAFrameThatWasUsed) {
  const Outside outside = evict(kPage);  // its frame is the one that is free, and holds the page's content still
  std::uint32_t page = 0;
  std::vector<std::uint32_t> pages;
  while (made->epa(&page).ok()) pages.push_back(page);
  Outside other;
  ASSERT_TRUE(block(kOther).ok());
  ASSERT_TRUE(made->etrack().ok());
  for (const std::uint32_t each : pages) {
    for (std::uint32_t i = 0; i < VersionSlot::kSlotsOfPage; ++i) {
      other.slot = {each, i};
      ASSERT_TRUE(write_back(kOther, other).ok()) << "an occupied slot in VA page " << each;
      ASSERT_TRUE(load(other, Loading::kBlocked).ok());
      if (i == 2) break;
    }
  }
}

TEST_F(Eblock, Errors) {
  EXPECT_EQ(block(kPage + 8).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(block(TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(block(TE_HEAP).error, LeafError::kPageInvalid);
  ASSERT_TRUE(block(kPage).ok());
  EXPECT_EQ(block(kPage).error, LeafError::kBlockState);
  std::uint32_t done = 7;
  EXPECT_EQ(made->eblock(kOther, 2, &done).error, LeafError::kBlockState);
  EXPECT_EQ(done, 1u) << "stops at the first that is blocked already";
}

TEST_F(Eblock, ABlockedPageFaultsForTheEnclaveAndForItsLeaves) {
  testing::set_patterns(made, 1);
  made.data<std::uint64_t>(TE_REGS_IN) = made.address(kPage);
  ASSERT_TRUE(block(kPage).ok());
  auto entered = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_LOAD});
  ASSERT_EQ(entered.outcome.kind, ExitKind::kException);
  EXPECT_EQ(entered.outcome.exception.vector, sgx::vector::kPageFault);
  EXPECT_EQ(entered.outcome.exception.address, made.address(kPage));
  EXPECT_FALSE(made->pages_allow(kPage, 8, SecinfoFlags::kR));
  EXPECT_EQ(made->egetkey(made.address(kPage), made.address(kOther)).fault, Fault::kPageFault);
}

TEST_F(Eblock, ABlockedPageCanBeRemovedAndItsFrameComesZeroed) {
  ASSERT_TRUE(block(kPage).ok());
  ASSERT_TRUE(made->eremove(kPage).ok());
  expect_freed_frames_zeroed(1);
}

TEST_F(Eblock, TheSsaFrameOfAThreadInsideStays) {
  testing::set_patterns(made, 1);
  made.data<std::uint32_t>(TE_STOP) = 0;
  std::thread inside([this] {
    auto entered = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_SPIN});
    EXPECT_EQ(entered.outcome.kind, ExitKind::kExit);
  });
  while (std::atomic_ref(made.data<std::uint64_t>(TE_ROUNDS)).load() == 0) std::this_thread::yield();
  EXPECT_EQ(block(thread_offset() + TE_SSA).error, LeafError::kLockFail);
  EXPECT_TRUE(block(thread_offset(1) + TE_SSA).ok()) << "nobody is inside there";
  std::atomic_ref(made.data<std::uint32_t>(TE_STOP)).store(1);
  inside.join();
  EXPECT_TRUE(block(thread_offset() + TE_SSA).ok());
}

TEST_F(Etrack, EwbWantsItAfterEblockAndEverybodyOut) {
  Outside outside;
  outside.slot = {versions, 0};
  EXPECT_EQ(write_back(kPage, outside).error, LeafError::kPageNotBlocked);
  ASSERT_TRUE(made->etrack().ok());
  ASSERT_TRUE(block(kPage).ok());
  EXPECT_EQ(write_back(kPage, outside).error, LeafError::kNotTracked) << "ETRACK was before";
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_TRUE(write_back(kPage, outside).ok());
}

TEST_F(Etrack, AThreadThatEnteredBeforeMustLeaveFirst) {
  testing::set_patterns(made, 1);
  made.data<std::uint32_t>(TE_STOP) = 0;
  std::atomic<bool> go_on{false};
  std::thread inside([&] {
    auto entered = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_SPIN});
    EXPECT_EQ(entered.outcome.kind, ExitKind::kInterrupt);
    go_on.wait(false);
    do {
      entered = testing::resume(made);
    } while (entered.outcome.kind == ExitKind::kInterrupt);
    EXPECT_EQ(entered.outcome.kind, ExitKind::kExit);
  });
  while (std::atomic_ref(made.data<std::uint64_t>(TE_ROUNDS)).load() == 0) std::this_thread::yield();
  Outside outside;
  outside.slot = {versions, 0};
  ASSERT_TRUE(block(kPage).ok());
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_EQ(write_back(kPage, outside).error, LeafError::kNotTracked);
  EXPECT_EQ(made->etrack().error, LeafError::kPreviousTrackIncomplete);
  // The driver's interrupt: the thread leaves by AEX.
  testing::interrupt_until([this] { return !made->thread_at(thread_offset())->busy; }, made);
  EXPECT_TRUE(write_back(kPage, outside).ok());
  std::atomic_ref(made.data<std::uint32_t>(TE_STOP)).store(1);
  go_on = true;
  go_on.notify_one();
  inside.join();
  EXPECT_TRUE(load(outside).ok());
  expect_content(kPage, 0xc0ffee00);
}

TEST_F(Ewb, Errors) {
  Outside outside;
  outside.slot = {versions, 3};
  ASSERT_TRUE(block(kPage).ok());
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_EQ(write_back(kPage + 1, outside).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(write_back(TE_SIZE, outside).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(write_back(TE_HEAP, outside).fault, Fault::kPageFault) << "no page";
  Outside no_va;
  no_va.slot = {versions + 1, 0};
  EXPECT_EQ(write_back(kPage, no_va).fault, Fault::kPageFault) << "no VA page";
  no_va.slot = {versions, VersionSlot::kSlotsOfPage};
  EXPECT_EQ(write_back(kPage, no_va).fault, Fault::kPageFault) << "no slot";
  ASSERT_TRUE(write_back(kPage, outside).ok());
  ASSERT_TRUE(block(kOther).ok());
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_EQ(write_back(kOther, outside).error, LeafError::kVaSlotOccupied);
  EXPECT_EQ(write_back(kPage, outside).fault, Fault::kPageFault) << "it has left";
}

TEST_F(Ewb, OneSlotIsNotForTwoPagesOfOneCall) {
  ASSERT_TRUE(block(kOther, 2).ok());
  ASSERT_TRUE(made->etrack().ok());
  std::array<Outside, 2> outside;
  std::array<EvictedPage, 2> pages = {outside[0].page, outside[1].page};
  const std::array<VersionSlot, 2> slots = {VersionSlot{versions, 0}, VersionSlot{versions, 0}};
  std::uint32_t done = 0;
  EXPECT_EQ(made->ewb(kOther, pages, slots, &done).error, LeafError::kVaSlotOccupied);
  EXPECT_EQ(done, 1u);
}

TEST_F(Ewb, FreesTheFrameAndShowsNothing) {
  const std::uint64_t used = made->usage().used_pages;
  const Outside outside = evict(kPage);
  EXPECT_EQ(made->usage().used_pages, used - 1);
  EXPECT_EQ(outside.page.linear_address, made.address(kPage));
  EXPECT_EQ(outside.page.pcmd.secinfo.flags, SecinfoFlags::make(PageType::kReg, SecinfoFlags::kR | SecinfoFlags::kW));
  // No eight bytes of the page stand where they stood.
  for (std::uint64_t i = 0; i < kPageSize; i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, outside.memory.data() + i, 8);
    EXPECT_NE(word, 0xc0ffee00 + i);
  }
  // The same page with the same content never looks the same.
  ASSERT_TRUE(load(outside).ok());
  const Outside again = evict(kPage);
  EXPECT_NE(again.memory, outside.memory);
}

TEST_P(PagedMemory, ComesBackAsItWas) {
  const Outside outside = evict(kPage);
  ASSERT_TRUE(load(outside).ok());
  expect_content(kPage, 0xc0ffee00);
  made.at<std::uint64_t>(kPage) = 1;  // writable
  EXPECT_TRUE(made->pages_allow(kPage, 8, SecinfoFlags::kR | SecinfoFlags::kW));
  EXPECT_EQ(load(outside).fault, Fault::kPageFault) << "the page is there";
}

TEST_P(PagedMemory, PermissionsAndPendingComeBackToo) {
  const Outside read_only = evict(TE_READONLY);
  ASSERT_TRUE(load(read_only).ok());
  EXPECT_TRUE(made->pages_allow(TE_READONLY, 8, SecinfoFlags::kR));
  EXPECT_FALSE(made->pages_allow(TE_READONLY, 8, SecinfoFlags::kW));
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  const Outside pending = evict(TE_HEAP, 1);
  EXPECT_EQ(made->eaug(TE_HEAP, 1, &added).ok(), true) << "the address is free as far as the EPCM knows";
  ASSERT_TRUE(made->eremove(TE_HEAP).ok());
  ASSERT_TRUE(load(pending).ok());
  EXPECT_FALSE(made->pages_allow(TE_HEAP, 8, SecinfoFlags::kR)) << "still pending";
  made.data<sgx::Secinfo>(TE_OPERANDS) = {{0x203 | SecinfoFlags::kPending}, {}};
  ASSERT_TRUE(made->eaccept(made.address(TE_DATA + TE_OPERANDS), made.address(TE_HEAP), 1).ok());
  for (std::uint64_t i = 0; i < kPageSize; i += 8) ASSERT_EQ(made.at<std::uint64_t>(TE_HEAP + i), 0u);
}

TEST_P(PagedMemory, CodeComesBackExecutable) {
  const Outside code = evict(0);
  ASSERT_TRUE(load(code).ok());
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit);
}

// What a page left in its frame is for nobody who gets the frame.
TEST_P(PagedMemory, AFrameThatWasEvictedComesZeroed) {
  std::vector<Outside> outside;
  for (std::uint32_t i = 0; i < 4; ++i) {
    std::memset(&made.at<std::byte>(TE_DATA + i * kPageSize), 0xa5, kPageSize);
    if (i != 2) outside.push_back(evict(TE_DATA + i * kPageSize, i));
  }
  expect_freed_frames_zeroed(3);
}
INSTANTIATE_TEST_SUITE_P(Memory, PagedMemory, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Secret" : "Ordinary"; });

TEST_F(Eld, Errors) {
  const Outside outside = evict(kPage);
  const auto with = [&](auto change) {
    Outside changed = outside;
    change(changed);
    return load(changed);
  };
  EXPECT_EQ(with([](Outside& o) { o.page.linear_address += 8; }).fault, Fault::kGeneralProtection);
  EXPECT_EQ(with([](Outside& o) { o.page.linear_address = 0; }).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(with([&](Outside& o) { o.page.linear_address = made.address(kOther); }).fault, Fault::kPageFault);
  EXPECT_EQ(with([](Outside& o) { ++o.slot.page; }).fault, Fault::kPageFault) << "no VA page";
  EXPECT_EQ(with([](Outside& o) { o.page.pcmd.secinfo.reserved[5] = 1; }).fault, Fault::kGeneralProtection);
  EXPECT_EQ(with([](Outside& o) { o.page.pcmd.secinfo.flags.value |= 64; }).fault, Fault::kGeneralProtection);
  EXPECT_EQ(with([](Outside& o) { o.page.pcmd.secinfo.flags = SecinfoFlags::make(PageType::kVa, 0); }).fault,
            Fault::kGeneralProtection);
  std::uint32_t page = 0;
  while (made->epa(&page).ok()) {
  }
  EXPECT_EQ(load(outside).fault, Fault::kPageFault) << "the EPC is full";
}

TEST_F(Eld, EldbLeavesThePageBlocked) {
  const Outside outside = evict(kPage);
  ASSERT_TRUE(load(outside, Loading::kBlocked).ok());
  EXPECT_EQ(block(kPage).error, LeafError::kBlockState);
  EXPECT_FALSE(made->pages_allow(kPage, 8, SecinfoFlags::kR));
  Outside again;
  again.slot = {versions, 0};
  ASSERT_TRUE(write_back(kPage, again).ok()) << "blocked, and nobody can have a translation: it may go";
  ASSERT_TRUE(load(again).ok());
  expect_content(kPage, 0xc0ffee00);
}

// --- the hostile host

TEST_F(Eld, AReplayedPageIsRefused) {
  const Outside old = evict(kPage);
  ASSERT_TRUE(load(old).ok());
  made.at<std::uint64_t>(kPage) = 0x600d;
  const Outside current = evict(kPage);
  EXPECT_EQ(load(old).error, LeafError::kMacCompareFail);
  EXPECT_EQ(made->page_state(kPage, SecinfoFlags::kR), SoftEnclave::PageState::kAbsent);
  // The right one is not lost by the attempt.
  ASSERT_TRUE(load(current).ok());
  EXPECT_EQ(made.at<std::uint64_t>(kPage), 0x600du);
  EXPECT_NE(load(current).ok(), true);
}

TEST_F(Eld, AVersionIsForOneLoad) {
  const Outside outside = evict(kPage);
  ASSERT_TRUE(load(outside).ok());
  ASSERT_TRUE(made->eremove(kPage).ok());
  EXPECT_EQ(load(outside).error, LeafError::kMacCompareFail) << "its slot is empty now";
}

TEST_F(Eld, EveryFlippedByteIsRefused) {
  const Outside outside = evict(kPage);
  const auto refuse = [&](auto change, const char* what, std::size_t where) {
    Outside changed = outside;
    change(changed);
    EXPECT_EQ(load(changed).error, LeafError::kMacCompareFail) << what << " " << where;
  };
  for (std::size_t i = 0; i < kPageSize; i += 61) {
    refuse([i](Outside& o) { o.memory[i] ^= std::byte{1}; }, "content", i);
  }
  for (std::size_t i = 0; i < 16; ++i) refuse([i](Outside& o) { o.page.pcmd.mac[i] ^= 0x80; }, "MAC", i);
  refuse([](Outside& o) { ++o.page.pcmd.enclave_id; }, "enclave", 0);
  // More rights than the page had; pending, so that EACCEPT would take it for a fresh one.
  refuse([](Outside& o) { o.page.pcmd.secinfo.flags.value |= SecinfoFlags::kX; }, "X", 0);
  refuse([](Outside& o) { o.page.pcmd.secinfo.flags.value |= SecinfoFlags::kPending; }, "PENDING", 0);
  refuse([](Outside& o) { o.page.linear_address += TE_HEAP - kPage; }, "address", 0);
  EXPECT_TRUE(load(outside).ok());
  expect_content(kPage, 0xc0ffee00);
}

TEST_F(Eld, SwappedPagesAndSlotsAreRefused) {
  Outside one = evict(kPage, 0);
  Outside other = evict(kOther, 1);
  std::swap(one.slot, other.slot);
  EXPECT_EQ(load(one).error, LeafError::kMacCompareFail);
  std::swap(one.slot, other.slot);
  std::swap(one.page.linear_address, other.page.linear_address);
  EXPECT_EQ(load(one).error, LeafError::kMacCompareFail);
  std::swap(one.page.linear_address, other.page.linear_address);
  std::swap(one.page.content, other.page.content);
  EXPECT_EQ(load(one).error, LeafError::kMacCompareFail);
  std::swap(one.page.content, other.page.content);
  EXPECT_TRUE(load(one).ok());
  EXPECT_TRUE(load(other).ok());
  expect_content(kPage, 0xc0ffee00);
  expect_content(kOther, 0xdecade00);
}

TEST_F(Eld, AnotherEnclavesPageIsRefused) {
  const Outside outside = evict(kPage);
  TestEnclave other = build({.threads = 2});
  ASSERT_TRUE(other->enable_paging(nullptr));
  std::uint32_t page = 0;
  ASSERT_TRUE(other->epa(&page).ok());
  ASSERT_TRUE(other->eremove(kPage).ok());
  Outside foreign = outside;
  foreign.slot.page = page;
  foreign.page.linear_address = other.address(kPage);
  std::uint32_t done = 0;
  EXPECT_EQ(other->eld(Loading::kUnblocked, std::span(&foreign.page, 1), std::span(&foreign.slot, 1), &done).error,
            LeafError::kMacCompareFail);
}

// In one call the good ones before the first bad one are there.
TEST_F(Eld, StopsAtTheFirstThatIsRefused) {
  std::array<Outside, 4> outside;
  for (std::uint32_t i = 0; i < 4; ++i) {
    made.at<std::uint64_t>(TE_DATA + i * kPageSize) = 100 + i;
    outside[i] = evict(TE_DATA + i * kPageSize, i);
  }
  outside[2].memory[9] ^= std::byte{4};
  std::array<EvictedPage, 4> pages;
  std::array<VersionSlot, 4> slots;
  for (std::size_t i = 0; i < 4; ++i) {
    pages[i] = outside[i].page;
    slots[i] = outside[i].slot;
  }
  std::uint32_t done = 0;
  EXPECT_EQ(made->eld(Loading::kUnblocked, pages, slots, &done).error, LeafError::kMacCompareFail);
  EXPECT_EQ(done, 2u);
  EXPECT_EQ(made.at<std::uint64_t>(TE_DATA), 100u);
  EXPECT_EQ(made.at<std::uint64_t>(TE_DATA + kPageSize), 101u);
  EXPECT_EQ(made->page_state(TE_DATA + 2 * kPageSize, 0), SoftEnclave::PageState::kAbsent);
  outside[2].memory[9] ^= std::byte{4};
  EXPECT_TRUE(made->eld(Loading::kUnblocked, std::span(pages).subspan(2), std::span(slots).subspan(2), &done).ok());
  EXPECT_EQ(made.at<std::uint64_t>(TE_DATA + 3 * kPageSize), 103u);
}

TEST_F(Eld, EenterWantsItsSsaFrameBack) {
  const Outside frame = evict(thread_offset() + TE_SSA);
  const auto refused = testing::enter(made, {TE_CMD_IDENTIFY});
  EXPECT_EQ(refused.outcome.leaf.fault, Fault::kPageFault);
  EXPECT_EQ(refused.outcome.leaf.fault_address, made.address(thread_offset() + TE_SSA));
  ASSERT_TRUE(load(frame).ok());
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit);
}

TEST(PageLimit, BoundsWhatEaddAndEaugAddWhateverTheEpcHas) {
  auto made = build({.page_limit = 64 * kPageSize});
  ASSERT_TRUE(made.last.ok());
  std::uint32_t added = 0;
  const auto before = static_cast<std::uint32_t>(made->usage().used_pages);
  EXPECT_TRUE(made->eaug(TE_HEAP, 100, &added).ok());
  EXPECT_EQ(before + added, 64u);
  ASSERT_TRUE(made->eremove(TE_HEAP).ok());
  EXPECT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  EXPECT_EQ(added, 1u) << "what EREMOVE took may come again";
}

}  // namespace
}  // namespace coffer::processor
