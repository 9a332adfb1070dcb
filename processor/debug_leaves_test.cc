// EDBGRD and EDBGWR, and the single-stepping that a debugger gets with them.
#include <gtest/gtest.h>

#include <cstddef>

#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::SecinfoFlags;
using testing::build;
using testing::TestEnclave;
using testing::thread_offset;
using Fault = LeafOutcome::Fault;

constexpr std::uint64_t kFlags = offsetof(sgx::Tcs, flags);
// The general registers of the first SSA frame.
constexpr std::uint64_t kFrameEnd = TE_SSA + kPageSize - sizeof(sgx::GprArea);

class Edbg : public ::testing::Test {
 protected:
  void SetUp() override { testing::use_traps(); }
  // Both leaves must answer alike.
  LeafOutcome both(std::uint64_t offset) {
    std::uint64_t value = 0;
    const LeafOutcome read = made->edbgrd(offset, &value);
    const LeafOutcome written = made->edbgwr(offset, 1);
    EXPECT_EQ(read.fault, written.fault) << offset;
    EXPECT_EQ(read.error, written.error) << offset;
    return read;
  }
  TestEnclave made = build();
};

TEST_F(Edbg, Errors) {
  EXPECT_EQ(both(TE_DATA + 4).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(both(TE_HEAP).fault, Fault::kPageFault) << "no page";
  EXPECT_EQ(both(TE_SIZE).fault, Fault::kPageFault) << "outside";
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  EXPECT_EQ(both(TE_HEAP).error, LeafError::kPageNotDebuggable) << "pending";
  ASSERT_TRUE(made->emodt(TE_DATA + 0x3000, {SecinfoFlags{0x100}, {}}).ok());
  EXPECT_EQ(both(TE_DATA + 0x3000).error, LeafError::kPageNotDebuggable) << "modified";
  ASSERT_TRUE(made->emodt(TE_READONLY, {SecinfoFlags{0x400}, {}}).ok());
  EXPECT_EQ(both(TE_READONLY).fault, Fault::kPageFault) << "TRIM";
}

TEST_F(Edbg, AProductionEnclaveIsClosed) {
  made = build({.attributes = sgx::attribute::kMode64Bit});
  ASSERT_TRUE(made.last.ok());
  made.data<std::uint64_t>(0) = 42;
  EXPECT_EQ(both(TE_DATA).fault, Fault::kGeneralProtection);
  EXPECT_EQ(made.data<std::uint64_t>(0), 42u);
  std::uint64_t value = 0;
  EXPECT_EQ(made->edbgrd(thread_offset() + kFlags, &value).fault, Fault::kGeneralProtection);
  EXPECT_EQ(made->edbgwr(thread_offset() + kFlags, 1).fault, Fault::kGeneralProtection);
}

TEST_F(Edbg, SeesAndChangesEveryPage) {
  for (bool secret : {false, true}) {
    made = build({.secret_memory = secret});
    ASSERT_TRUE(made->emodpr(TE_DATA + 0x1000, {SecinfoFlags{0}, {}}).ok());
    // Writable, closed to everybody, read-only, code.
    for (std::uint64_t offset : {std::uint64_t{TE_DATA}, std::uint64_t{TE_DATA + 0x1000}, std::uint64_t{TE_READONLY},
                                 testing::test_code().size() - 8}) {
      std::uint64_t value = 0;
      ASSERT_TRUE(made->edbgwr(offset, 0x1122334455667788).ok()) << offset;
      ASSERT_TRUE(made->edbgrd(offset, &value).ok()) << offset;
      EXPECT_EQ(value, 0x1122334455667788u) << offset;
    }
    EXPECT_EQ(made.at<std::uint64_t>(TE_READONLY), 0x1122334455667788u) << "the enclave sees it";
    EXPECT_FALSE(made->pages_allow(TE_DATA + 0x1000, 1, SecinfoFlags::kR)) << "the page is as closed as it was";
    EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit) << "the code still runs";
  }
}

TEST_F(Edbg, OfATcs) {
  std::uint64_t value = 0;
  ASSERT_TRUE(made->edbgrd(thread_offset() + offsetof(sgx::Tcs, ssa_offset), &value).ok());
  EXPECT_EQ(value, thread_offset() + TE_SSA);
  for (std::uint64_t field = 0; field < kPageSize; field += 8) {
    if (field == kFlags) continue;
    EXPECT_EQ(made->edbgwr(thread_offset() + field, 0).fault, Fault::kGeneralProtection) << field;
  }
  ASSERT_TRUE(made->edbgwr(thread_offset() + kFlags, sgx::tcs_flag::kDebugOptIn).ok());
  ASSERT_TRUE(made->edbgrd(thread_offset() + kFlags, &value).ok());
  EXPECT_EQ(value, sgx::tcs_flag::kDebugOptIn);
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit);
  ASSERT_TRUE(made->edbgwr(thread_offset() + kFlags, 4).ok());
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).outcome.leaf.fault, Fault::kGeneralProtection) << "reserved flag";
}

// As a debugger does it: opt in, set TF in the frame, ERESUME, and look where the thread is.
TEST_F(Edbg, AnOptedInThreadIsSingleStepped) {
  constexpr std::uint64_t kTrapFlag = 0x100;
  const auto register_at = [&](std::size_t offset) {
    std::uint64_t value = 0;
    EXPECT_TRUE(made->edbgrd(thread_offset() + kFrameEnd + offset, &value).ok());
    return value;
  };
  for (bool opted_in : {false, true}) {
    made = build();
    testing::set_patterns(made, 1);
    ASSERT_EQ(testing::enter(made, {TE_CMD_PATTERN, TE_BODY_UD2}).outcome.kind, ExitKind::kException);
    const std::uint64_t start = made.address(testing::fault_of(TE_BODY_NOTHING).offset);
    const std::uint64_t flags = register_at(SGX_GPR_RFLAGS);
    ASSERT_TRUE(made->edbgwr(thread_offset() + kFrameEnd + SGX_GPR_RIP, start).ok());
    ASSERT_TRUE(made->edbgwr(thread_offset() + kFrameEnd + SGX_GPR_RFLAGS, flags | kTrapFlag).ok());
    if (opted_in) {
      ASSERT_TRUE(made->edbgwr(thread_offset() + kFlags, sgx::tcs_flag::kDebugOptIn).ok());
    }
    auto left = testing::resume(made);
    if (!opted_in) {
      EXPECT_EQ(left.outcome.kind, ExitKind::kExit) << "TF is not the enclave's to set";
      continue;
    }
    std::uint64_t previous = start;
    for (int step = 0; step < 3; ++step) {
      ASSERT_EQ(left.outcome.kind, ExitKind::kException);
      EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kDebug);
      const std::uint64_t rip = register_at(SGX_GPR_RIP);
      EXPECT_NE(rip, previous) << "one instruction further";
      previous = rip;
      left = testing::resume(made);
    }
    ASSERT_TRUE(made->edbgwr(thread_offset() + kFrameEnd + SGX_GPR_RFLAGS, flags).ok());
    EXPECT_EQ(testing::resume(made).outcome.kind, ExitKind::kExit);
  }
}

}  // namespace
}  // namespace coffer::processor
