// AEX-Notify and EDECCSSA: an enclave that hears of its asynchronous exits.
#include <gtest/gtest.h>

#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::SecinfoFlags;
using testing::build;
using testing::TestEnclave;
using testing::thread_offset;
using Fault = LeafOutcome::Fault;

constexpr std::uint64_t kNotifying = sgx::attribute::kMode64Bit | sgx::attribute::kDebug | sgx::attribute::kAexNotify;

class AexNotify : public ::testing::Test {
 protected:
  void SetUp() override { testing::use_traps(); }
  static TestEnclave make(std::uint64_t attributes = kNotifying, std::uint64_t flags = sgx::tcs_flag::kAexNotify,
                          std::uint32_t frames = 2) {
    TestEnclave made =
        build({.attributes = attributes, .ssa_count = frames, .tcs = [=](sgx::Tcs& t) { t.flags = flags; }});
    EXPECT_TRUE(made.last.ok());
    testing::set_patterns(made, 1);
    return made;
  }
  // Leaves by an exception; the frame then asks for the notification, or not.
  static void leave(const TestEnclave& made, bool notify) {
    ASSERT_EQ(testing::enter(made, {TE_CMD_PATTERN, TE_BODY_UD2}).outcome.kind, ExitKind::kException);
    testing::ssa_gpr(made).rip = made.address(testing::fault_of(TE_BODY_NOTHING).offset);
    testing::ssa_gpr(made).aex_notify = notify ? 1 : 0;
  }
};

TEST_F(AexNotify, TheEnclaveHearsOfTheExitAndGoesOnByItself) {
  auto made = make();
  leave(made, true);
  // ERESUME enters at OENTRY; the test enclave identifies itself.
  const auto told = testing::resume(made);
  ASSERT_EQ(told.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(told.out.rdi, 1u) << "RAX = CSSA, which stays as it is";
  EXPECT_EQ(told.out.rsi, made.address(thread_offset())) << "RBX = TCS";
  EXPECT_EQ(testing::resume(made).out.rdi, 1u) << "again, as long as the frame asks for it";
  // With EDECCSSA the enclave makes the interrupted frame its own.
  const auto left = testing::leaf(made, SGX_ENCLU_EDECCSSA, 5, 6, 7);
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(left.out.rdi, static_cast<std::uint64_t>(SGX_ENCLU_EDECCSSA)) << "no register changes";
  EXPECT_EQ(left.out.rdx, 5u);
  EXPECT_EQ(testing::enter(made, {TE_CMD_IDENTIFY}).out.rdi, 0u) << "RAX = CSSA";
}

TEST_F(AexNotify, WithoutTheFramesByteEresumeResumes) {
  auto made = make();
  leave(made, false);
  ASSERT_EQ(testing::resume(made).outcome.kind, ExitKind::kExit);
  EXPECT_EQ(testing::compare_patterns(made), "");
}

TEST_F(AexNotify, AnAexLeavesTheByteAsItIs) {
  auto made = make();
  testing::ssa_gpr(made).aex_notify = 1;
  ASSERT_EQ(testing::enter(made, {TE_CMD_PATTERN, TE_BODY_UD2}).outcome.kind, ExitKind::kException);
  EXPECT_EQ(testing::ssa_gpr(made).aex_notify, 1);
}

TEST_F(AexNotify, ANotificationNeedsAFrame) {
  auto made = make(kNotifying, sgx::tcs_flag::kAexNotify, 1);
  leave(made, true);
  EXPECT_EQ(testing::resume(made).outcome.leaf.fault, Fault::kGeneralProtection) << "CSSA = NSSA";
  testing::ssa_gpr(made).aex_notify = 0;
  EXPECT_EQ(testing::resume(made).outcome.kind, ExitKind::kExit);
}

TEST_F(AexNotify, TcsAndEnclaveMustAgree) {
  constexpr std::uint64_t kPlain = kNotifying & ~sgx::attribute::kAexNotify;
  for (auto made : {make(kPlain, sgx::tcs_flag::kAexNotify).enclave.release(), make(kNotifying, 0).enclave.release()}) {
    const std::unique_ptr<SoftEnclave> enclave(made);
    Registers registers{TE_CMD_IDENTIFY, 0, 0, 0, 0};
    EXPECT_EQ(eenter(*enclave, thread_offset(), registers).leaf.fault, Fault::kGeneralProtection);
    // A debugger's opt-in stands above it.
    const std::uint64_t flags = enclave->thread_at(thread_offset())->tcs.flags | sgx::tcs_flag::kDebugOptIn;
    ASSERT_TRUE(enclave->edbgwr(thread_offset() + offsetof(sgx::Tcs, flags), flags).ok());
    EXPECT_EQ(eenter(*enclave, thread_offset(), registers).kind, ExitKind::kExit);
  }
}

TEST_F(AexNotify, EdeccssaErrors) {
  auto made = make();
  auto left = testing::leaf(made, SGX_ENCLU_EDECCSSA, 0, 0);
  ASSERT_EQ(left.outcome.kind, ExitKind::kException);
  EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kGeneralProtection) << "CSSA = 0";

  auto second = make();
  leave(second, false);
  const std::uint64_t frame = thread_offset() + TE_SSA;
  ASSERT_TRUE(second->emodpr(frame, {SecinfoFlags{SecinfoFlags::kR}, {}}).ok());
  left = testing::leaf(second, SGX_ENCLU_EDECCSSA, 0, 0);
  ASSERT_EQ(left.outcome.kind, ExitKind::kException);
  EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kPageFault) << "the frame below cannot be written";
  EXPECT_EQ(left.outcome.exception.address, second.address(frame));
}

}  // namespace
}  // namespace coffer::processor
