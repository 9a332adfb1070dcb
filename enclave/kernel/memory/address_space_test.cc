#include "enclave/kernel/memory/address_space.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "enclave/kernel/memory/fake_pages_for_tests.h"

namespace coffer::kernel {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

class AddressSpaceTest : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 1024 * kPage;
  FakePages pages_{kSize};
  AddressSpace space_{pages_.base(), kSize, pages_};

  std::uintptr_t map(std::size_t pages, int protection = kReadWrite) {
    const auto mapped = space_.map(0, pages * kPage, protection, kAnonymous);
    EXPECT_TRUE(mapped.has_value());
    return mapped.value_or(0);
  }
  void fill(std::uintptr_t address, std::size_t size, int value) {
    ASSERT_TRUE(space_.prepare_access(address, size, true));
    std::memset(reinterpret_cast<void*>(address), value, size);
  }
  bool is_filled(std::uintptr_t address, std::size_t size, int value) {
    if (!space_.prepare_access(address, size, false)) return false;
    const auto* bytes = reinterpret_cast<const unsigned char*>(address);
    for (std::size_t i = 0; i < size; ++i) {
      if (bytes[i] != value) return false;
    }
    return true;
  }
  int map_error(std::uintptr_t hint, std::size_t size, int protection, int flags) {
    const auto mapped = space_.map(hint, size, protection, flags);
    return mapped ? 0 : mapped.error();
  }
  static int error_of(const AddressSpace::Expected<void>& result) { return result ? 0 : result.error(); }
  static int error_of(const AddressSpace::Expected<std::uintptr_t>& result) { return result ? 0 : result.error(); }
};

TEST_F(AddressSpaceTest, TellsWhichPagesWereTouched) {
  const auto address = map(64);
  EXPECT_FALSE(space_.is_committed(address));
  fill(address + 20 * kPage, 2 * kPage, 1);
  EXPECT_FALSE(space_.is_committed(address + 19 * kPage));
  EXPECT_TRUE(space_.is_committed(address + 20 * kPage));
  EXPECT_TRUE(space_.is_committed(address + 21 * kPage));
  EXPECT_FALSE(space_.is_committed(address + 22 * kPage));
}

TEST_F(AddressSpaceTest, MapsZeroedPagesOnDemand) {
  const auto used = pages_.pages_used.load();
  const auto address = map(100);
  EXPECT_LE(pages_.pages_used, used + 1) << "nothing but bookkeeping is committed by mapping";
  EXPECT_TRUE(is_filled(address, 100 * kPage, 0));
  fill(address, 100 * kPage, 7);
  ASSERT_TRUE(space_.unmap(address, 100 * kPage));
  EXPECT_FALSE(space_.prepare_access(address, 1, false));
  const auto used_now = pages_.pages_used.load();
  EXPECT_EQ(map(100), address) << "committed pages are used again first";
  EXPECT_TRUE(is_filled(address, 100 * kPage, 0));
  EXPECT_EQ(pages_.pages_used, used_now);
}

TEST_F(AddressSpaceTest, UnmappedMemoryIsZeroAtOnce) {
  const auto address = map(3);
  fill(address, 3 * kPage, 0x5a);
  ASSERT_TRUE(space_.unmap(address + kPage, kPage));
  const auto* bytes = reinterpret_cast<const unsigned char*>(address);
  for (std::size_t i = 0; i < 3 * kPage; ++i) ASSERT_EQ(bytes[i], i / kPage == 1 ? 0 : 0x5a) << i;
}

TEST_F(AddressSpaceTest, MapRefusesAsLinuxDoes) {
  EXPECT_EQ(map_error(0, 0, kReadWrite, kAnonymous), EINVAL);
  EXPECT_EQ(map_error(0, SIZE_MAX, kReadWrite, kAnonymous), ENOMEM);
  EXPECT_EQ(map_error(0, SIZE_MAX - kPage, kReadWrite, kAnonymous), ENOMEM);
  EXPECT_EQ(map_error(0, kSize, kReadWrite, kAnonymous), ENOMEM);
  EXPECT_EQ(map_error(0, kPage, kReadWrite, MAP_ANONYMOUS), EINVAL);
  EXPECT_EQ(map_error(0, kPage, PROT_READ | PROT_EXEC, kAnonymous), EACCES);
  EXPECT_EQ(map_error(0, kPage, PROT_EXEC, kAnonymous), EACCES);
  const auto address = map(4);
  EXPECT_EQ(map_error(address + 1, kPage, kReadWrite, kAnonymous | MAP_FIXED), EINVAL);
  EXPECT_EQ(map_error(0x1000, kPage, kReadWrite, kAnonymous | MAP_FIXED), ENOMEM);
  EXPECT_EQ(map_error(pages_.base(), kPage, kReadWrite, kAnonymous | MAP_FIXED), ENOMEM) << "the bookkeeping";
  EXPECT_EQ(map_error(pages_.base() + kSize - kPage, 2 * kPage, kReadWrite, kAnonymous | MAP_FIXED), ENOMEM);
  EXPECT_EQ(map_error(pages_.base() + kSize, kPage, kReadWrite, kAnonymous | MAP_FIXED), ENOMEM);
  EXPECT_EQ(map_error(UINTPTR_MAX & ~(kPage - 1), kPage, kReadWrite, kAnonymous | MAP_FIXED), ENOMEM);
  EXPECT_EQ(map_error(address + kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE), EEXIST);
  EXPECT_EQ(map_error(address + 4 * kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED_NOREPLACE), 0);
}

TEST_F(AddressSpaceTest, TakesAHintWhereItIsFree) {
  const auto address = map(4);
  const auto hint = address + 40 * kPage;
  EXPECT_EQ(space_.map(hint + 17, kPage, kReadWrite, kAnonymous).value(), hint + kPage);
  EXPECT_NE(space_.map(address, kPage, kReadWrite, kAnonymous).value(), address);
  EXPECT_TRUE(space_.map(0x1000, kPage, kReadWrite, kAnonymous).has_value());
  EXPECT_TRUE(space_.map(UINTPTR_MAX, kPage, kReadWrite, kAnonymous).has_value());
}

TEST_F(AddressSpaceTest, FixedMappingsReplaceAndZero) {
  const auto address = map(6);
  fill(address, 6 * kPage, 9);
  const auto middle = space_.map(address + 2 * kPage, 2 * kPage, PROT_READ, kAnonymous | MAP_FIXED);
  ASSERT_EQ(middle.value(), address + 2 * kPage);
  EXPECT_TRUE(is_filled(address, 2 * kPage, 9));
  EXPECT_TRUE(is_filled(address + 2 * kPage, 2 * kPage, 0));
  EXPECT_TRUE(is_filled(address + 4 * kPage, 2 * kPage, 9));
  EXPECT_FALSE(space_.prepare_access(address, 3 * kPage, true));
}

TEST_F(AddressSpaceTest, UnmapRefusesAsLinuxDoes) {
  const auto address = map(4);
  EXPECT_EQ(error_of(space_.unmap(address + 1, kPage)), EINVAL);
  EXPECT_EQ(error_of(space_.unmap(address, 0)), EINVAL);
  EXPECT_EQ(error_of(space_.unmap(address, SIZE_MAX)), EINVAL);
  EXPECT_EQ(error_of(space_.unmap(address, kSize)), EINVAL);
  EXPECT_EQ(error_of(space_.unmap(pages_.base(), kPage)), EINVAL);
  EXPECT_EQ(error_of(space_.unmap(address + 100 * kPage, 5 * kPage)), 0) << "nothing there is fine";
  EXPECT_EQ(error_of(space_.unmap(address, 1)), 0) << "sizes are rounded up";
  EXPECT_FALSE(space_.prepare_access(address, 1, false));
  EXPECT_TRUE(space_.prepare_access(address + kPage, 1, false));
}

TEST_F(AddressSpaceTest, ProtectionHoldsForAccessAndFaults) {
  const auto address = map(4, PROT_NONE);
  EXPECT_EQ(space_.handle_fault(address, false), AddressSpace::FaultResult::kProtection);
  EXPECT_EQ(error_of(space_.protect(address + kPage, kPage, PROT_READ)), 0);
  EXPECT_EQ(space_.handle_fault(address + kPage, true), AddressSpace::FaultResult::kProtection);
  EXPECT_EQ(space_.handle_fault(address + kPage, false), AddressSpace::FaultResult::kCommitted);
  EXPECT_TRUE(space_.prepare_access(address + kPage, kPage, false));
  EXPECT_FALSE(space_.prepare_access(address + kPage, kPage, true));
  EXPECT_FALSE(space_.prepare_access(address, 2 * kPage, false));
  EXPECT_EQ(error_of(space_.protect(address, 4 * kPage, kReadWrite)), 0);
  EXPECT_TRUE(space_.prepare_access(address, 4 * kPage, true));
  EXPECT_EQ(error_of(space_.protect(address, kPage, PROT_READ | PROT_EXEC)), EACCES);
  EXPECT_EQ(error_of(space_.protect(address + 1, kPage, PROT_READ)), EINVAL);
  EXPECT_EQ(error_of(space_.protect(address, kPage, 0x100)), EINVAL);
  EXPECT_EQ(error_of(space_.protect(address, 0, PROT_READ)), 0);
  EXPECT_EQ(error_of(space_.protect(address, 5 * kPage, PROT_READ)), ENOMEM);
  EXPECT_EQ(error_of(space_.protect(address, SIZE_MAX, PROT_READ)), ENOMEM);
  EXPECT_EQ(error_of(space_.protect(0x1000, kPage, PROT_READ)), ENOMEM);
  EXPECT_TRUE(space_.prepare_access(address, 4 * kPage, true)) << "a refused call changes nothing";
}

TEST_F(AddressSpaceTest, MemoryBecomesCodeWhereThatIsAllowedAndNeverWhileItIsWritable) {
  space_.allow_code();
  const auto address = map(3);
  fill(address, kPage, 0xc3);  // return instructions
  EXPECT_EQ(error_of(space_.protect(address, kPage, PROT_READ | PROT_WRITE | PROT_EXEC)), EACCES);
  EXPECT_EQ(map_error(0, kPage, PROT_READ | PROT_EXEC, kAnonymous), EACCES) << "code is written first";
  ASSERT_EQ(error_of(space_.protect(address, 2 * kPage, PROT_READ | PROT_EXEC)), 0);
  EXPECT_TRUE(pages_.is_committed(address + kPage)) << "or it would come without the right to be executed";
  EXPECT_EQ(pages_.rights_at(address), PROT_READ | PROT_EXEC);
  EXPECT_EQ(pages_.rights_at(address + kPage), PROT_READ | PROT_EXEC);
  reinterpret_cast<void (*)()>(address)();
  // Back to data, in part: first it cannot be executed any more, then it can be written.
  const std::size_t restrictions = pages_.restrictions;
  ASSERT_EQ(error_of(space_.protect(address, kPage, PROT_READ | PROT_WRITE)), 0);
  EXPECT_GT(pages_.restrictions, restrictions);
  EXPECT_EQ(pages_.rights_at(address), PROT_READ | PROT_WRITE);
  EXPECT_EQ(pages_.rights_at(address + kPage), PROT_READ | PROT_EXEC);
  EXPECT_EQ(space_.remap(address + kPage, kPage, 2 * kPage, MREMAP_MAYMOVE, 0).error(), EACCES);
  // What is unmapped is nobody's code.
  ASSERT_EQ(error_of(space_.unmap(address, 3 * kPage)), 0);
  EXPECT_EQ(pages_.rights_at(address + kPage), PROT_READ | PROT_WRITE);
}

TEST_F(AddressSpaceTest, FaultsOutsideOfMappings) {
  const auto address = map(1);
  EXPECT_EQ(space_.handle_fault(address + kPage, false), AddressSpace::FaultResult::kUnmapped);
  EXPECT_EQ(space_.handle_fault(0, false), AddressSpace::FaultResult::kUnmapped);
  EXPECT_EQ(space_.handle_fault(pages_.base(), false), AddressSpace::FaultResult::kUnmapped);
  EXPECT_EQ(space_.handle_fault(pages_.base() + kSize, false), AddressSpace::FaultResult::kUnmapped);
  EXPECT_EQ(space_.handle_fault(UINTPTR_MAX, true), AddressSpace::FaultResult::kUnmapped);
}

TEST_F(AddressSpaceTest, SequentialFaultsCommitGrowingRuns) {
  const auto address = map(300);
  const auto calls = pages_.calls.load();
  for (std::size_t page = 0; page < 300; ++page) {
    if (!pages_.is_committed(address + page * kPage)) {
      ASSERT_EQ(space_.handle_fault(address + page * kPage + 5, true), AddressSpace::FaultResult::kCommitted);
    }
  }
  EXPECT_LE(pages_.calls - calls, 8U) << "4 + 8 + ... + 256 pages";
  EXPECT_FALSE(pages_.is_committed(address + 300 * kPage)) << "never beyond the mapping";
}

TEST_F(AddressSpaceTest, StacksGrowDownInGrowingRuns) {
  const auto address = map(300);
  const auto calls = pages_.calls.load();
  for (std::size_t page = 300; page-- > 0;) {
    if (!pages_.is_committed(address + page * kPage)) {
      ASSERT_EQ(space_.handle_fault(address + page * kPage, true), AddressSpace::FaultResult::kCommitted);
    }
  }
  EXPECT_LE(pages_.calls - calls, 9U);
}

TEST_F(AddressSpaceTest, ScatteredFaultsCommitLittle) {
  const auto address = map(300);
  const auto used = pages_.pages_used.load();
  for (std::size_t page = 0; page < 300; page += 30) {
    ASSERT_EQ(space_.handle_fault(address + page * kPage, true), AddressSpace::FaultResult::kCommitted);
  }
  EXPECT_LE(pages_.pages_used - used, 10 * 4 + 1U) << "the one is a bitmap page";
}

TEST_F(AddressSpaceTest, TheEndOfTheEpcIsReported) {
  const auto address = map(300);
  ASSERT_TRUE(space_.prepare_access(address + 299 * kPage, 1, true));
  pages_.page_limit = pages_.pages_used + 2;
  EXPECT_EQ(space_.handle_fault(address, true), AddressSpace::FaultResult::kCommitted);
  EXPECT_EQ(space_.handle_fault(address + kPage, true), AddressSpace::FaultResult::kCommitted) << "of the same run";
  EXPECT_EQ(space_.handle_fault(address + 100 * kPage, true), AddressSpace::FaultResult::kOutOfMemory);
  EXPECT_FALSE(space_.prepare_access(address, 300 * kPage, true));
  EXPECT_TRUE(is_filled(address, kPage, 0));
  const auto mapped = space_.usage().mapped;
  EXPECT_EQ(space_.map_kernel(10 * kPage), nullptr);
  EXPECT_EQ(space_.usage().mapped, mapped);
  EXPECT_EQ(space_.usage().committed, pages_.pages_used * kPage);
  // What was committed on the way to the end is known and zeroed as all else.
  std::memset(reinterpret_cast<void*>(address), 0x33, 2 * kPage);
  ASSERT_TRUE(space_.unmap(address, 300 * kPage));
  EXPECT_EQ(map(300), address);
  EXPECT_TRUE(is_filled(address, 2 * kPage, 0));
  pages_.page_limit = SIZE_MAX;
  EXPECT_EQ(space_.handle_fault(address + 100 * kPage, true), AddressSpace::FaultResult::kCommitted);
}

TEST_F(AddressSpaceTest, AdviceZeroesAndReportsHoles) {
  const auto address = map(4);
  fill(address, 4 * kPage, 3);
  EXPECT_EQ(error_of(space_.advise(address + kPage, kPage, MADV_DONTNEED)), 0);
  EXPECT_TRUE(is_filled(address, kPage, 3));
  EXPECT_TRUE(is_filled(address + kPage, kPage, 0));
  EXPECT_TRUE(is_filled(address + 2 * kPage, 2 * kPage, 3));
  EXPECT_EQ(error_of(space_.advise(address + 1, kPage, MADV_DONTNEED)), EINVAL);
  EXPECT_EQ(error_of(space_.advise(address, kPage, 12345)), EINVAL);
  EXPECT_EQ(error_of(space_.advise(address, kPage, MADV_REMOVE)), EINVAL);
  EXPECT_EQ(error_of(space_.advise(address, SIZE_MAX, MADV_DONTNEED)), EINVAL);
  EXPECT_EQ(error_of(space_.advise(address, 0, MADV_DONTNEED)), 0);
  EXPECT_EQ(error_of(space_.advise(address, kPage, MADV_HUGEPAGE)), 0);
  EXPECT_EQ(error_of(space_.advise(address + 2 * kPage, 4 * kPage, MADV_DONTNEED)), ENOMEM);
  EXPECT_TRUE(is_filled(address + 2 * kPage, 2 * kPage, 0)) << "what is mapped was advised all the same";
}

TEST_F(AddressSpaceTest, ProtectionReachesTheProcessor) {
  const auto address = map(4);
  fill(address, 4 * kPage, 5);
  ASSERT_TRUE(space_.protect(address + kPage, 2 * kPage, PROT_READ));
  EXPECT_EQ(pages_.rights_at(address), kReadWrite);
  EXPECT_EQ(pages_.rights_at(address + kPage), PROT_READ);
  EXPECT_EQ(pages_.rights_at(address + 2 * kPage), PROT_READ);
  EXPECT_EQ(pages_.rights_at(address + 3 * kPage), kReadWrite);
  EXPECT_TRUE(is_filled(address, 4 * kPage, 5));
  ASSERT_TRUE(space_.protect(address + kPage, kPage, PROT_NONE));
  EXPECT_EQ(pages_.rights_at(address + kPage), PROT_NONE);
  ASSERT_TRUE(space_.protect(address, 4 * kPage, kReadWrite));
  for (std::size_t page = 0; page < 4; ++page) EXPECT_EQ(pages_.rights_at(address + page * kPage), kReadWrite);
  EXPECT_TRUE(is_filled(address, 4 * kPage, 5));
}

TEST_F(AddressSpaceTest, ProtectingUntouchedMemoryAsksNobody) {
  const auto address = map(64, PROT_NONE);
  ASSERT_TRUE(space_.protect(address, 32 * kPage, kReadWrite));
  ASSERT_TRUE(space_.protect(address, 16 * kPage, PROT_READ));
  EXPECT_EQ(pages_.restrictions, 0U);
}

TEST_F(AddressSpaceTest, AHostThatDoesNotRestrictChangesNothing) {
  const auto address = map(2);
  fill(address, 2 * kPage, 5);
  ASSERT_TRUE(space_.map(address + 2 * kPage, 2 * kPage, kReadWrite, kAnonymous | MAP_FIXED | MAP_NORESERVE));
  fill(address + 2 * kPage, 2 * kPage, 6);
  pages_.restrict_limit = 1;  // the first of two mappings
  EXPECT_EQ(error_of(space_.protect(address, 4 * kPage, PROT_NONE)), ENOMEM);
  for (std::size_t page = 0; page < 4; ++page) EXPECT_EQ(pages_.rights_at(address + page * kPage), kReadWrite);
  EXPECT_TRUE(is_filled(address, 2 * kPage, 5));
  EXPECT_TRUE(space_.prepare_access(address, 4 * kPage, true));
}

TEST_F(AddressSpaceTest, PagesThatWereUsedBeforeGuardToo) {
  const auto address = map(2);
  fill(address, 2 * kPage, 5);
  ASSERT_TRUE(space_.unmap(address, 2 * kPage));
  EXPECT_EQ(map(2, PROT_NONE), address);
  EXPECT_EQ(pages_.rights_at(address), PROT_NONE);
  ASSERT_TRUE(space_.unmap(address, 2 * kPage));
  EXPECT_EQ(map(2), address);
  EXPECT_TRUE(is_filled(address, 2 * kPage, 0));
  fill(address, 2 * kPage, 6);
  pages_.restrict_limit = 0;
  ASSERT_TRUE(space_.unmap(address, 2 * kPage));
  EXPECT_EQ(map_error(0, 2 * kPage, PROT_NONE, kAnonymous), ENOMEM) << "the host does not do its part";
}

TEST_F(AddressSpaceTest, ForgettingReadOnlyPagesLeavesThemReadOnly) {
  const auto address = map(2);
  fill(address, 2 * kPage, 5);
  ASSERT_TRUE(space_.protect(address, 2 * kPage, PROT_READ));
  ASSERT_TRUE(space_.advise(address, 2 * kPage, MADV_DONTNEED));
  EXPECT_TRUE(is_filled(address, 2 * kPage, 0));
  EXPECT_EQ(pages_.rights_at(address), PROT_READ);
}

TEST_F(AddressSpaceTest, MovedPagesKeepTheirProtection) {
  const auto address = map(2);
  fill(address, 2 * kPage, 5);
  ASSERT_TRUE(space_.protect(address, 2 * kPage, PROT_READ));
  const auto elsewhere = map(4) + kPage;
  const auto moved = space_.remap(address, 2 * kPage, 2 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere);
  ASSERT_TRUE(moved);
  EXPECT_EQ(pages_.rights_at(*moved), PROT_READ);
  EXPECT_TRUE(is_filled(*moved, 2 * kPage, 5));
  EXPECT_EQ(pages_.rights_at(address), kReadWrite) << "what was left is free to be used again";
}

TEST_F(AddressSpaceTest, PopulatingAdviceCommits) {
  const auto address = map(8);
  EXPECT_EQ(error_of(space_.advise(address, 8 * kPage, 23 /* MADV_POPULATE_WRITE */)), 0);
  for (std::size_t page = 0; page < 8; ++page) EXPECT_TRUE(pages_.is_committed(address + page * kPage));
  ASSERT_TRUE(space_.protect(address, kPage, PROT_READ));
  EXPECT_EQ(error_of(space_.advise(address, kPage, 23)), EFAULT);
}

TEST_F(AddressSpaceTest, PopulateAndUsage) {
  const auto before = space_.usage();
  const auto address = space_.map(0, 10 * kPage, kReadWrite, kAnonymous | MAP_POPULATE).value();
  EXPECT_TRUE(pages_.is_committed(address + 9 * kPage));
  EXPECT_EQ(space_.usage().mapped, before.mapped + 10 * kPage);
  EXPECT_EQ(space_.usage().committed, pages_.pages_used * kPage);
  EXPECT_EQ(space_.usage().committed_free, 0U);
  ASSERT_TRUE(space_.unmap(address, 4 * kPage));
  EXPECT_EQ(space_.usage().committed_free, 4 * kPage);
}

TEST_F(AddressSpaceTest, BreakGrowsShrinksAndStopsAtMappings) {
  const auto start = space_.set_break(0);
  EXPECT_EQ(space_.set_break(start + 10), start + 10);
  fill(start, 10, 4);
  EXPECT_EQ(space_.set_break(start + 20 * kPage), start + 20 * kPage);
  fill(start + 10, 20 * kPage - 10, 5);
  EXPECT_EQ(space_.set_break(start + 2 * kPage), start + 2 * kPage);
  EXPECT_FALSE(space_.prepare_access(start + 2 * kPage, 1, false));
  EXPECT_EQ(space_.set_break(start + 20 * kPage), start + 20 * kPage);
  EXPECT_TRUE(is_filled(start + 2 * kPage, 18 * kPage, 0));
  ASSERT_TRUE(space_.map(start + 30 * kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED));
  EXPECT_EQ(space_.set_break(start + 31 * kPage), start + 20 * kPage);
  EXPECT_EQ(space_.set_break(start + 30 * kPage), start + 30 * kPage);
  EXPECT_EQ(space_.set_break(start - 1), start + 30 * kPage);
  EXPECT_EQ(space_.set_break(UINTPTR_MAX), start + 30 * kPage);
  EXPECT_EQ(space_.set_break(start), start);
}

TEST_F(AddressSpaceTest, MappingsUseTheBreakAreaLast) {
  const auto start = space_.set_break(0);
  const auto low = map(1);
  EXPECT_GT(low, start + kSize / 4) << "room for brk";
  std::size_t mapped = 0;
  while (space_.map(0, 4 * kPage, mapped % 2 == 0 ? PROT_READ : kReadWrite, kAnonymous)) ++mapped;
  EXPECT_GT(4 * mapped, 950U) << "all of the range can be mapped";
  EXPECT_EQ(space_.set_break(start + kPage), start);
}

TEST_F(AddressSpaceTest, RemapShrinksGrowsAndMoves) {
  const auto address = map(4);
  fill(address, 4 * kPage, 1);
  EXPECT_EQ(space_.remap(address, 4 * kPage, 2 * kPage, 0, 0).value(), address);
  EXPECT_FALSE(space_.prepare_access(address + 2 * kPage, 1, false));
  EXPECT_EQ(space_.remap(address, 2 * kPage, 5 * kPage, 0, 0).value(), address) << "in place";
  EXPECT_TRUE(is_filled(address, 2 * kPage, 1));
  EXPECT_TRUE(is_filled(address + 2 * kPage, 3 * kPage, 0));
  ASSERT_TRUE(space_.map(address + 5 * kPage, kPage, PROT_READ, kAnonymous | MAP_FIXED));
  EXPECT_EQ(error_of(space_.remap(address, 5 * kPage, 6 * kPage, 0, 0)), ENOMEM);
  const auto moved = space_.remap(address, 5 * kPage, 9 * kPage, MREMAP_MAYMOVE, 0);
  ASSERT_TRUE(moved);
  EXPECT_NE(*moved, address);
  EXPECT_TRUE(is_filled(*moved, 2 * kPage, 1));
  EXPECT_TRUE(is_filled(*moved + 2 * kPage, 7 * kPage, 0));
  EXPECT_FALSE(space_.prepare_access(address, 1, false));
  const auto again = space_.map(address, 5 * kPage, kReadWrite, kAnonymous | MAP_FIXED);
  ASSERT_TRUE(again);
  EXPECT_TRUE(is_filled(address, 5 * kPage, 0));
}

TEST_F(AddressSpaceTest, RemapToAFixedPlace) {
  const auto address = map(4);
  const auto target = address + 50 * kPage;
  fill(address, 4 * kPage, 6);
  EXPECT_EQ(space_.remap(address, 4 * kPage, 3 * kPage, MREMAP_MAYMOVE | MREMAP_FIXED, target).value(), target);
  EXPECT_TRUE(is_filled(target, 3 * kPage, 6));
  EXPECT_FALSE(space_.prepare_access(target + 3 * kPage, 1, false));
  for (std::size_t page = 0; page < 4; ++page) EXPECT_FALSE(space_.prepare_access(address + page * kPage, 1, false));
  const int fixed = MREMAP_MAYMOVE | MREMAP_FIXED;
  EXPECT_EQ(error_of(space_.remap(target, 3 * kPage, 3 * kPage, fixed, target + kPage)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(target, 3 * kPage, 3 * kPage, fixed, target + 1)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(target, 3 * kPage, 3 * kPage, fixed, 0x1000)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(target, 3 * kPage, 3 * kPage, MREMAP_FIXED, address)), EINVAL);
}

TEST_F(AddressSpaceTest, RemapRefusesAsLinuxDoes) {
  const auto address = map(4);
  EXPECT_EQ(error_of(space_.remap(address + 1, kPage, kPage, 0, 0)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(address, kPage, 0, 0, 0)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(address, 0, kPage, MREMAP_MAYMOVE, 0)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(address, kPage, kPage, 0x80, 0)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(address, SIZE_MAX, kPage, 0, 0)), EINVAL);
  EXPECT_EQ(error_of(space_.remap(address, 4 * kPage, SIZE_MAX / 2, MREMAP_MAYMOVE, 0)), ENOMEM);
  EXPECT_EQ(error_of(space_.remap(address + 10 * kPage, kPage, kPage, MREMAP_MAYMOVE, 0)), EFAULT);
  EXPECT_EQ(error_of(space_.remap(0x1000, kPage, kPage, MREMAP_MAYMOVE, 0)), EFAULT);
  ASSERT_TRUE(space_.protect(address + 2 * kPage, kPage, PROT_READ));
  EXPECT_EQ(error_of(space_.remap(address, 4 * kPage, 9 * kPage, MREMAP_MAYMOVE, 0)), EFAULT) << "two kinds";
}

TEST_F(AddressSpaceTest, RemapCanLeaveTheOldMapping) {
  const auto address = map(3);
  fill(address, 3 * kPage, 8);
  const auto moved = space_.remap(address, 3 * kPage, 3 * kPage, MREMAP_MAYMOVE | 4 /* DONTUNMAP */, 0);
  ASSERT_TRUE(moved);
  EXPECT_TRUE(is_filled(*moved, 3 * kPage, 8));
  EXPECT_TRUE(is_filled(address, 3 * kPage, 0));
}

TEST_F(AddressSpaceTest, KernelPagesAreOutOfReach) {
  auto* kernel = space_.map_kernel(3 * kPage - 5);
  ASSERT_NE(kernel, nullptr);
  const auto address = reinterpret_cast<std::uintptr_t>(kernel);
  EXPECT_EQ(address, pages_.base() + kSize - 3 * kPage);
  std::memset(kernel, 0xee, 3 * kPage);
  EXPECT_EQ(error_of(space_.unmap(address, kPage)), EINVAL);
  EXPECT_EQ(error_of(space_.protect(address, kPage, PROT_READ)), ENOMEM);
  EXPECT_EQ(error_of(space_.advise(address, kPage, MADV_DONTNEED)), ENOMEM);
  EXPECT_EQ(error_of(space_.remap(address, kPage, kPage, MREMAP_MAYMOVE, 0)), EFAULT);
  EXPECT_EQ(map_error(address, kPage, kReadWrite, kAnonymous | MAP_FIXED), ENOMEM);
  EXPECT_FALSE(space_.prepare_access(address, 1, false));
  EXPECT_EQ(space_.handle_fault(address, false), AddressSpace::FaultResult::kProtection);
  const auto mine = map(2);
  EXPECT_EQ(error_of(space_.remap(mine, kPage, kPage, MREMAP_MAYMOVE | MREMAP_FIXED, address)), EINVAL);
  EXPECT_TRUE(std::all_of(static_cast<unsigned char*>(kernel), static_cast<unsigned char*>(kernel) + 3 * kPage,
                          [](unsigned char byte) { return byte == 0xee; }));
  space_.release_kernel(static_cast<std::byte*>(kernel) + kPage, kPage);
  EXPECT_EQ(static_cast<unsigned char*>(kernel)[kPage], 0);
  EXPECT_EQ(map_error(address + kPage, kPage, kReadWrite, kAnonymous | MAP_FIXED), 0);
  EXPECT_DEATH(space_.release_kernel(reinterpret_cast<void*>(mine), kPage), "never given out");
}

TEST_F(AddressSpaceTest, VisitsMappingsInOrderAndJoinsNeighbours) {
  const auto address = map(2);
  EXPECT_EQ(map(2), address + 2 * kPage);
  ASSERT_TRUE(space_.map(address + 4 * kPage, kPage, PROT_READ, kAnonymous | MAP_FIXED));
  static_cast<void>(space_.map_kernel(kPage));
  const auto start = space_.set_break(0);
  static_cast<void>(space_.set_break(start + 1));
  struct Seen {
    std::uintptr_t begin, end;
    int protection, flags;
  };
  std::vector<Seen> seen;
  space_.visit_mappings(
      [](void* context, std::uintptr_t begin, std::uintptr_t end, int protection, int flags) {
        static_cast<std::vector<Seen>*>(context)->push_back({begin, end, protection, flags});
      },
      &seen);
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0].begin, start);
  EXPECT_NE(seen[0].flags & AddressSpace::kBreakMapping, 0);
  EXPECT_EQ(seen[1].begin, address);
  EXPECT_EQ(seen[1].end, address + 4 * kPage);
  EXPECT_EQ(seen[2].protection, PROT_READ);
}

TEST_F(AddressSpaceTest, AccessChecksDoNotWrapAround) {
  const auto address = map(2);
  EXPECT_TRUE(space_.prepare_access(address, 2 * kPage, true));
  EXPECT_TRUE(space_.prepare_access(address + 1, 2 * kPage - 1, true));
  EXPECT_FALSE(space_.prepare_access(address + 1, 2 * kPage, true));
  EXPECT_FALSE(space_.prepare_access(address, SIZE_MAX, true));
  EXPECT_FALSE(space_.prepare_access(address + 1, SIZE_MAX, true));
  EXPECT_FALSE(space_.prepare_access(UINTPTR_MAX, 2, true));
  EXPECT_TRUE(space_.prepare_access(0, 0, true)) << "nothing is always fine";
  EXPECT_TRUE(space_.owns(address, 2 * kPage));
  EXPECT_TRUE(space_.owns(pages_.base(), kSize));
  EXPECT_FALSE(space_.owns(pages_.base(), kSize + 1));
  EXPECT_FALSE(space_.owns(pages_.base() + kSize, SIZE_MAX));
  EXPECT_FALSE(space_.owns(pages_.base() - 1, 1));
}

TEST(AddressSpaceLimits, ThousandsOfMappingsStayFast) {
  FakePages pages(std::size_t{1} << 30);
  AddressSpace space(pages.base(), pages.size(), pages);
  // Alternating kinds, so that neighbours do not join.
  std::vector<std::uintptr_t> mapped;
  for (int i = 0; i < 60000; ++i) {
    const auto address = space.map(0, kPage, i % 2 == 0 ? PROT_READ : kReadWrite, kAnonymous);
    ASSERT_TRUE(address) << i;
    mapped.push_back(*address);
  }
  for (std::size_t i = 0; i < mapped.size(); i += 3) ASSERT_TRUE(space.unmap(mapped[i], kPage));
  EXPECT_EQ(space.map(0, kPage, PROT_READ, kAnonymous).value(), mapped[0]);
  EXPECT_EQ(space.usage().committed_free, 0U);
}

TEST(AddressSpaceLimits, TooManyMappingsAreRefusedAndCanStillBeUnmapped) {
  FakePages pages(1024 * kPage);
  AddressSpace space(pages.base(), pages.size(), pages);
  std::vector<std::uintptr_t> mapped;
  for (int i = 0;; ++i) {
    const auto address = space.map(0, 2 * kPage, i % 2 == 0 ? PROT_READ : kReadWrite, kAnonymous);
    if (!address) break;
    mapped.push_back(*address);
  }
  ASSERT_EQ(mapped.size(), 256U);
  EXPECT_TRUE(space.unmap(mapped[5], kPage));
  const auto split = space.protect(mapped[8], kPage, kReadWrite);
  ASSERT_FALSE(split) << "a split needs one more";
  EXPECT_EQ(split.error(), ENOMEM);
  for (const auto address : mapped) EXPECT_TRUE(space.unmap(address, 2 * kPage));
  EXPECT_EQ(space.usage().mapped, 0U);
}

TEST(AddressSpaceLimits, SixtyFourGigabytesCostNothingUntilTheyAreUsed) {
  constexpr std::size_t kSize = std::size_t{64} << 30;
  FakePages pages(kSize);
  AddressSpace space(pages.base(), kSize, pages);
  const auto address = space.map(0, kSize / 4, kReadWrite, kAnonymous | MAP_NORESERVE);
  ASSERT_TRUE(address);
  for (std::size_t step = 0; step < 8; ++step) {
    ASSERT_EQ(space.handle_fault(*address + step * (kSize / 32), true), AddressSpace::FaultResult::kCommitted);
  }
  EXPECT_LE(pages.pages_used, 8 * 4 + 8 + 3U);
  EXPECT_TRUE(space.unmap(*address, kSize / 4));
  EXPECT_EQ(space.usage().mapped, 0U);
}

TEST(AddressSpaceLimits, BadRangesPanic) {
  FakePages pages(64 * kPage);
  EXPECT_DEATH(AddressSpace(pages.base(), 4 * kPage, pages), "too small");
  EXPECT_DEATH(AddressSpace(pages.base() + 1, 32 * kPage, pages), "not made of pages");
  pages.page_limit = 0;
  EXPECT_DEATH(AddressSpace(pages.base(), 32 * kPage, pages), "out of enclave memory");
}

}  // namespace
}  // namespace coffer::kernel
