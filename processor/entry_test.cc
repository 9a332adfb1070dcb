// EENTER, EEXIT, AEX and ERESUME, with enclave code that really runs.
#include "processor/entry.h"

#include <gtest/gtest.h>
#include <x86intrin.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "processor/lanes.h"
#include "processor/testing/test_enclave.h"

extern "C" {
void coffer_test_capture(coffer::processor::Lane* lane);
extern const std::uint64_t coffer_test_captured[];
extern std::uint64_t coffer_test_capture_level;
extern const char coffer_exit_landing[];
}

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using testing::build;
using testing::build_before_einit;
using testing::enter;
using testing::Entered;
using testing::resume;
using testing::TestEnclave;
using testing::thread_offset;
using Fault = LeafOutcome::Fault;

constexpr std::uint64_t kSeed = 20260101;

class Entry : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::use_traps();
    RecordProperty("seed", static_cast<int>(kSeed));
  }

  // Runs a body with patterns in all registers; RAX as given.
  static Entered run(const TestEnclave& enclave, std::uint32_t body, std::uint64_t rax = 0x1122334455667788) {
    enclave.data<std::uint64_t>(TE_REGS_IN) = rax;
    return enter(enclave, {TE_CMD_PATTERN, body});
  }
  static TestEnclave make(const testing::TestEnclaveOptions& options = {}) {
    TestEnclave made = build(options);
    EXPECT_TRUE(made.last.ok());
    testing::set_patterns(made, kSeed);
    return made;
  }
};

TEST_F(Entry, EenterLoadsWhatTheArchitectureSays) {
  auto made = make();
  const Entered entered = enter(made, {TE_CMD_IDENTIFY});
  ASSERT_TRUE(entered.outcome.leaf.ok());
  EXPECT_EQ(entered.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(entered.out.rdi, 0u) << "RAX = CSSA";
  EXPECT_EQ(entered.out.rsi, made.address(thread_offset())) << "RBX = TCS";
  EXPECT_EQ(entered.out.rdx, reinterpret_cast<std::uint64_t>(coffer_exit_landing)) << "RCX = where EEXIT leads";
  EXPECT_EQ(entered.out.r8, made.address(TE_DATA)) << "FS base";
  EXPECT_EQ(entered.out.r9, made.address(thread_offset() + TE_BLOCK)) << "GS base";
}

TEST_F(Entry, EenterStoresTheHostsStackPointersInTheCurrentFrame) {
  auto made = make();
  const Entered entered = enter(made, {TE_CMD_STACKS});
  ASSERT_TRUE(entered.outcome.leaf.ok());
  EXPECT_EQ(testing::ssa_gpr(made).ursp, entered.out.rdi);
  EXPECT_EQ(testing::ssa_gpr(made).urbp, entered.out.rsi);
  EXPECT_FALSE(made->contains(testing::ssa_gpr(made).ursp)) << "the stack is still the host's";
}

TEST_F(Entry, EenterErrors) {
  auto before = build_before_einit().built;
  EXPECT_EQ(enter(before, {TE_CMD_IDENTIFY}).outcome.leaf.fault, Fault::kGeneralProtection) << "not initialised";
  auto made = make();
  Registers registers;
  EXPECT_EQ(eenter(*made.enclave, TE_DATA, registers).leaf.fault, Fault::kPageFault) << "not a TCS";
  EXPECT_EQ(eenter(*made.enclave, TE_HEAP, registers).leaf.fault, Fault::kPageFault) << "no page";
  EXPECT_EQ(eenter(*made.enclave, TE_SIZE, registers).leaf.fault, Fault::kPageFault) << "outside";
  EXPECT_EQ(eenter(*made.enclave, thread_offset() + 8, registers).leaf.fault, Fault::kGeneralProtection) << "unaligned";
  EXPECT_TRUE(enter(made, {TE_CMD_IDENTIFY}).outcome.leaf.ok()) << "the TCS is free after all that";
}

TEST_F(Entry, EenterRefusesATcsThatPointsNowhere) {
  const auto fault_with = [](std::function<void(sgx::Tcs&)> change) {
    auto made = build({.tcs = std::move(change)});
    EXPECT_TRUE(made.last.ok());
    const auto outcome = enter(made, {TE_CMD_IDENTIFY}).outcome;
    EXPECT_EQ(outcome.kind, ExitKind::kNone);
    return outcome.leaf.fault;
  };
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.ssa_count = 0; }), Fault::kGeneralProtection);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.ssa_offset = TE_HEAP; }), Fault::kPageFault);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.ssa_offset = TE_READONLY; }), Fault::kPageFault);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.ssa_offset = 0 - std::uint64_t{kPageSize}; }), Fault::kPageFault);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.entry_offset = std::uint64_t{1} << 62; }), Fault::kGeneralProtection);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.entry_offset = TE_SIZE; }), Fault::kGeneralProtection);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.fs_offset = std::uint64_t{1} << 62; }), Fault::kGeneralProtection);
  EXPECT_EQ(fault_with([](sgx::Tcs& t) { t.gs_offset = std::uint64_t{1} << 62; }), Fault::kGeneralProtection);
}

TEST_F(Entry, ATcsIsBusyWhileSomebodyIsInside) {
  auto made = make({.threads = 2});
  std::thread inside([&] {
    const Entered left = run(made, TE_BODY_SPIN);
    EXPECT_EQ(left.outcome.kind, ExitKind::kExit);
  });
  auto& rounds = made.data<volatile std::uint64_t>(TE_ROUNDS);
  while (rounds == 0) std::this_thread::yield();
  EXPECT_EQ(enter(made, {TE_CMD_IDENTIFY}).outcome.leaf.fault, Fault::kGeneralProtection);
  EXPECT_EQ(resume(made).outcome.leaf.fault, Fault::kGeneralProtection);
  EXPECT_EQ(made->eremove(TE_READONLY).error, sgx::LeafError::kEnclaveActive);
  EXPECT_EQ(made->eremove(thread_offset()).error, sgx::LeafError::kEnclaveActive);
  EXPECT_TRUE(enter(made, {TE_CMD_IDENTIFY}, 1).outcome.leaf.ok()) << "another TCS is free";
  made.data<volatile std::uint32_t>(TE_STOP) = 1;
  inside.join();
  EXPECT_TRUE(enter(made, {TE_CMD_IDENTIFY}).outcome.leaf.ok());
  EXPECT_TRUE(made->eremove(TE_READONLY).ok());
}

TEST_F(Entry, EexitPassesTheFiveRegisters) {
  auto made = make();
  // A leaf that does not exist faults; EEXIT as the leaf passes what it finds.
  const Entered out = enter(made, {TE_CMD_LEAF, SGX_ENCLU_EEXIT, 11, 22, 33});
  ASSERT_EQ(out.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(out.out.rdi, TE_CMD_LEAF);
  EXPECT_EQ(out.out.rsi, SGX_ENCLU_EEXIT);
  EXPECT_EQ(out.out.rdx, 33u);
  EXPECT_EQ(out.out.r8, 22u);
  EXPECT_EQ(out.out.r9, 33u);
}

TEST_F(Entry, EresumeWithNothingToResume) {
  auto made = make();
  EXPECT_EQ(resume(made).outcome.leaf.fault, Fault::kGeneralProtection);
  auto before = build_before_einit().built;
  EXPECT_EQ(resume(before).outcome.leaf.fault, Fault::kGeneralProtection);
}

TEST_F(Entry, EachAexTakesAFrameUntilNoneIsLeft) {
  auto made = make({.ssa_count = 2});
  ASSERT_EQ(run(made, TE_BODY_UD2).outcome.kind, ExitKind::kException);
  const Entered nested = enter(made, {TE_CMD_IDENTIFY});
  ASSERT_EQ(nested.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(nested.out.rdi, 1u) << "RAX = CSSA";
  ASSERT_EQ(run(made, TE_BODY_INT3).outcome.kind, ExitKind::kException);
  EXPECT_EQ(enter(made, {TE_CMD_IDENTIFY}).outcome.leaf.fault, Fault::kGeneralProtection) << "CSSA = NSSA";
  EXPECT_EQ(testing::ssa_gpr(made, 0).exit_info & 0xff, sgx::vector::kInvalidOpcode);
  EXPECT_EQ(testing::ssa_gpr(made, 1).exit_info & 0xff, sgx::vector::kBreakpoint);
  // ERESUME takes the last frame first.
  testing::ssa_gpr(made, 1).rip = made.address(testing::fault_of(TE_BODY_NOTHING).offset);
  EXPECT_EQ(resume(made).outcome.kind, ExitKind::kExit);
  testing::ssa_gpr(made, 0).rip = made.address(testing::fault_of(TE_BODY_NOTHING).offset);
  EXPECT_EQ(resume(made).outcome.kind, ExitKind::kExit);
  EXPECT_EQ(resume(made).outcome.leaf.fault, Fault::kGeneralProtection);
}

struct Expected {
  std::uint32_t body;
  std::uint8_t vector;
  std::uint32_t exit_info;
  int signal;
};
constexpr std::uint32_t kHardwareInfo = sgx::exit_info::kValid | sgx::exit_info::kHardware;
constexpr std::uint32_t kSoftwareInfo = sgx::exit_info::kValid | sgx::exit_info::kSoftware;
namespace v = sgx::vector;

class Faults : public Entry, public ::testing::WithParamInterface<Expected> {};

// After the exception: SSA, EXITINFO and what the host sees. After ERESUME behind the instruction: every register as
// it was.
TEST_P(Faults, AreReportedAndResumed) {
  const Expected expected = GetParam();
  auto made = make();
  auto& in = made.data<std::array<std::uint64_t, testing::kRegisterCount>>(TE_REGS_IN);
  in[testing::kFlags] = 0x202 | 0x8d5 | 0x400;  // CF PF AF ZF SF OF, and DF
  if (expected.body == TE_BODY_SIMD) {
    made.data<std::uint32_t>(TE_MXCSR_IN) = 0x1d80;  // division by zero is unmasked
    for (std::uint64_t i = 0; i < 4; ++i) made.data<float>(TE_VECTORS_IN + 4 * i) = 1.0f;
  }
  if (expected.body == TE_BODY_MISALIGNED) in[testing::kFlags] |= 0x40000;  // AC
  if (expected.body == TE_BODY_SYSCALL) in[testing::kRax] = 39;             // getpid
  const std::uint64_t address = expected.body == TE_BODY_STORE  ? made.address(TE_READONLY)
                                : expected.body == TE_BODY_JUMP ? made.address(TE_DATA)
                                                                : made.address(TE_HEAP + 0x123);
  const bool page_fault = expected.vector == v::kPageFault;
  if (page_fault) in[testing::kRax] = address;
  const std::uint64_t rax = in[testing::kRax];

  const Entered left = run(made, expected.body, rax);
  ASSERT_TRUE(left.outcome.leaf.ok());
  ASSERT_EQ(left.outcome.kind, ExitKind::kException);
  const testing::Fault fault = testing::fault_of(expected.body);
  EXPECT_EQ(left.outcome.exception.vector, expected.vector);
  EXPECT_EQ(left.outcome.exception.signal, expected.signal);

  sgx::GprArea& gpr = testing::ssa_gpr(made);
  EXPECT_EQ(gpr.exit_info, expected.exit_info);
  const bool at_target = expected.body == TE_BODY_JUMP;
  EXPECT_EQ(gpr.rip, at_target ? address : made.address(fault.offset));
  EXPECT_EQ(left.outcome.exception.rip, gpr.rip - made->base());
  EXPECT_EQ(gpr.rax, rax);
  // A native `syscall` has written RCX and R11 before anybody can stop it; hardware raises #UD first.
  const bool syscall = expected.body == TE_BODY_SYSCALL;
  EXPECT_EQ(gpr.rcx, syscall ? gpr.rip + 2 : in[testing::kRcx]);
  EXPECT_EQ(gpr.rsp, in[testing::kRsp]);
  EXPECT_EQ(gpr.r8, in[testing::kR8]);
  EXPECT_EQ(gpr.r15, in[testing::kR15]);
  EXPECT_EQ(gpr.fs_base, made.address(TE_DATA));
  EXPECT_EQ(gpr.gs_base, made.address(thread_offset() + TE_BLOCK));
  const std::uint64_t kFlagsKept = 0x40cd5;
  EXPECT_EQ(gpr.rflags & kFlagsKept, in[testing::kFlags] & kFlagsKept);
  const auto& info = *reinterpret_cast<sgx::ExInfo*>(reinterpret_cast<std::byte*>(&gpr) - sizeof(sgx::ExInfo));
  if (page_fault) {
    EXPECT_EQ(info.address, address);
    EXPECT_EQ(info.error_code & 4, 4u) << "from user mode";
    EXPECT_EQ((info.error_code & 2) != 0, expected.body == TE_BODY_STORE);
    EXPECT_EQ((info.error_code & 16) != 0, expected.body == TE_BODY_JUMP);
  } else {
    EXPECT_EQ(info.address, 0u);
  }

  if (at_target) gpr.rip = made.address(fault.offset);
  const bool trap = expected.body == TE_BODY_INT1;
  gpr.rip += trap ? 0 : fault.length;
  ASSERT_EQ(resume(made).outcome.kind, ExitKind::kExit);
  if (expected.body == TE_BODY_SIMD) made.data<std::uint32_t>(TE_MXCSR_IN) |= 4;  // the sticky flag ZE
  EXPECT_EQ(testing::compare_patterns(made, syscall ? 1u << testing::kRcx | 1u << testing::kR11 : 0), "");
}

INSTANTIATE_TEST_SUITE_P(
    Instructions, Faults,
    ::testing::Values(Expected{TE_BODY_UD2, v::kInvalidOpcode, kHardwareInfo | v::kInvalidOpcode, SIGILL},
                      Expected{TE_BODY_INT3, v::kBreakpoint, kSoftwareInfo | v::kBreakpoint, SIGTRAP},
                      Expected{TE_BODY_DIVIDE, v::kDivideError, kHardwareInfo | v::kDivideError, SIGFPE},
                      Expected{TE_BODY_LOAD, v::kPageFault, kHardwareInfo | v::kPageFault, SIGSEGV},
                      Expected{TE_BODY_STORE, v::kPageFault, kHardwareInfo | v::kPageFault, SIGSEGV},
                      Expected{TE_BODY_JUMP, v::kPageFault, kHardwareInfo | v::kPageFault, SIGSEGV},
                      Expected{TE_BODY_SYSCALL, v::kInvalidOpcode, kHardwareInfo | v::kInvalidOpcode, SIGSYS},
                      Expected{TE_BODY_HLT, v::kGeneralProtection, kHardwareInfo | v::kGeneralProtection, SIGSEGV},
                      Expected{TE_BODY_SIMD, v::kSimd, kHardwareInfo | v::kSimd, SIGFPE},
                      Expected{TE_BODY_MISALIGNED, v::kAlignmentCheck, kHardwareInfo | v::kAlignmentCheck, SIGBUS}),
    [](const auto& test) { return "Body" + std::to_string(test.param.body); });

TEST_F(Entry, X87ErrorsAreReported) {
  auto made = make();
  made.data<std::uint16_t>(TE_FCW_IN) = 0x27b;  // division by zero is unmasked
  const Entered left = run(made, TE_BODY_X87);
  ASSERT_EQ(left.outcome.kind, ExitKind::kException);
  EXPECT_EQ(testing::ssa_gpr(made).exit_info, kHardwareInfo | v::kX87);
  EXPECT_EQ(testing::ssa_gpr(made).rip, made.address(testing::fault_of(TE_BODY_X87).offset));
  double host = 1.0;
  asm volatile("fldl %0\n\tfaddl %0\n\tfstpl %0" : "+m"(host));
  EXPECT_EQ(host, 2.0) << "the host's x87 is usable";
}

TEST_F(Entry, WithoutExInfoPageFaultsAndProtectionFaultsAreNotReportedInside) {
  auto made = make({.misc_select = 0});
  ASSERT_EQ(run(made, TE_BODY_LOAD, made.address(TE_HEAP)).outcome.kind, ExitKind::kException);
  EXPECT_EQ(testing::ssa_gpr(made).exit_info, 0u);
  auto second = make({.misc_select = 0});
  ASSERT_EQ(run(second, TE_BODY_HLT).outcome.kind, ExitKind::kException);
  EXPECT_EQ(testing::ssa_gpr(second).exit_info, 0u);
}

TEST_F(Entry, APageFaultTellsTheHostOfAProductionEnclaveThePageOnly) {
  auto production = make({.attributes = sgx::attribute::kMode64Bit});
  const Entered left = run(production, TE_BODY_LOAD, production.address(TE_HEAP + 0x123));
  EXPECT_EQ(left.outcome.exception.address, production.address(TE_HEAP));
  EXPECT_EQ(left.outcome.exception.rip % sgx::kPageSize, 0u);
  EXPECT_EQ(left.outcome.exception.rip / sgx::kPageSize,
            (testing::ssa_gpr(production).rip - production->base()) / sgx::kPageSize);
  const auto& gpr = testing::ssa_gpr(production);
  const auto& info = *reinterpret_cast<const sgx::ExInfo*>(reinterpret_cast<const std::byte*>(&gpr) - 16);
  EXPECT_EQ(info.address, production.address(TE_HEAP + 0x123)) << "the enclave sees all of it";
}

TEST_F(Entry, ResumeWithWhateverTheSsaSaysIsHarmless) {
  auto made = make();
  ASSERT_EQ(run(made, TE_BODY_UD2).outcome.kind, ExitKind::kException);
  sgx::GprArea& gpr = testing::ssa_gpr(made);
  const std::uint64_t after = made.address(testing::fault_of(TE_BODY_NOTHING).offset);
  for (std::uint64_t bad : {std::uint64_t{1} << 47, ~std::uint64_t{0} >> 1}) {
    gpr.rip = bad;
    EXPECT_EQ(resume(made).outcome.leaf.fault, Fault::kGeneralProtection) << "RIP";
    gpr.rip = after;
    gpr.fs_base = bad;
    EXPECT_EQ(resume(made).outcome.leaf.fault, Fault::kGeneralProtection) << "FS";
    gpr.fs_base = made.address(TE_DATA);
    gpr.gs_base = bad;
    EXPECT_EQ(resume(made).outcome.leaf.fault, Fault::kGeneralProtection) << "GS";
    gpr.gs_base = made.address(thread_offset() + TE_BLOCK);
  }
  gpr.rflags = ~std::uint64_t{0} & ~std::uint64_t{0x40000};  // IOPL, TF, VM, NT, reserved
  std::byte* xsave = testing::ssa_frame(made);
  std::memset(xsave + 512, 0xff, 64);  // XSTATE_BV and XCOMP_BV beyond anything
  std::memset(xsave + 24, 0xff, 4);    // reserved bits of MXCSR
  const Entered left = resume(made);
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(made.data<std::uint64_t>(TE_REGS_OUT + 128) & 0x7100, 0u) << "neither TF nor IOPL nor NT";
}

// XFRM is what an AEX saves and ERESUME loads.
TEST_F(Entry, TheStateOfEachXfrmSurvives) {
  for (std::uint64_t xfrm : {sgx::xfrm::kLegacy, sgx::xfrm::kLegacy | sgx::xfrm::kAvx, machine_xfrm()}) {
    if ((xfrm & ~machine_xfrm()) != 0) continue;
    auto made = make({.xfrm = xfrm});
    ASSERT_EQ(run(made, TE_BODY_UD2).outcome.kind, ExitKind::kException) << xfrm;
    std::uint64_t present = 0;
    std::memcpy(&present, testing::ssa_frame(made) + 512, 8);
    EXPECT_EQ(present & ~xfrm, 0u) << "XSTATE_BV holds XFRM's components only";
    testing::ssa_gpr(made).rip += 2;
    ASSERT_EQ(resume(made).outcome.kind, ExitKind::kExit);
    EXPECT_EQ(testing::compare_patterns(made), "") << "XFRM " << xfrm;
  }
}

// AEX loads synthetic state (SDM 3D 37.3): nothing of the enclave is left in a register of the host.
TEST_F(Entry, NoRegisterOfTheEnclaveSurvivesAnAex) {
  auto made = make();
  made.data<std::uint64_t>(TE_REGS_IN + 128) = 0x202 | 0x400;  // DF
  Lane* lane = this_lane();
  ASSERT_NE(lane, nullptr);
  ThreadState* thread = made->thread_at(thread_offset());
  lane->enclave = made.enclave.get();
  lane->thread = thread;
  lane->exit_kind = ExitKind::kNone;
  lane->tcs_address = made.address(thread_offset());
  lane->xsave_mask = made->secs().attributes.xfrm;
  lane->cssa = 0;
  lane->ssa_gpr = &testing::ssa_gpr(made);
  lane->entry = made->base();
  lane->enclave_fs = made.address(TE_DATA);
  lane->enclave_gs = made.address(thread_offset() + TE_BLOCK);
  lane->registers = {TE_CMD_PATTERN, TE_BODY_UD2, 0, 0, 0};
  thread->lane = lane;
  thread->busy = true;
  coffer_test_capture_level = testing::vector_level(machine_xfrm());
  _mm_setcsr(0x1f80);  // the host's own, without what its computing has left in the flags
  coffer_test_capture(lane);
  ASSERT_EQ(lane->exit_kind, ExitKind::kException);
  thread->lane = nullptr;
  thread->busy = false;

  for (int i = 0; i < 9; ++i) EXPECT_EQ(coffer_test_captured[i], 0u) << "caller-saved register " << i;
  for (int i = 9; i < 15; ++i) EXPECT_EQ(coffer_test_captured[i], 0x1111111111111111u) << "callee-saved register " << i;
  EXPECT_EQ(coffer_test_captured[15] & 0xffffffff, 0x1f80u) << "MXCSR";
  EXPECT_EQ(coffer_test_captured[15] >> 32 & 0xffff, 0x37fu) << "FCW";
  for (int i = 16; i < 16 + 256 + 8; ++i) EXPECT_EQ(coffer_test_captured[i], 0u) << "vector state, qword " << i - 16;
  EXPECT_EQ(__readeflags() & 0x400, 0u) << "DF";
}

TEST_F(Entry, SignalsOfTheHostGoToTheHostsHandlers) {
  // Here the host's is the default, or a sanitizer's: either way a fault outside any enclave still kills.
  EXPECT_DEATH(
      {
        auto made = make();
        (void)enter(made, {TE_CMD_IDENTIFY});
        volatile std::uintptr_t nowhere = 8;
        *reinterpret_cast<volatile int*>(nowhere) = 1;
      },
      "");
}

TEST_F(Entry, SystemCallsOfTheHostStillWorkOnAThreadThatEntersEnclaves) {
  auto made = make();
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(enter(made, {TE_CMD_IDENTIFY}).outcome.kind, ExitKind::kExit);
    EXPECT_GT(::getpid(), 0);
    ASSERT_EQ(run(made, TE_BODY_UD2).outcome.kind, ExitKind::kException);
    EXPECT_GT(::getpid(), 0);
    testing::ssa_gpr(made).rip += 2;
    ASSERT_EQ(resume(made).outcome.kind, ExitKind::kExit);
  }
}

TEST_F(Entry, InterruptThreadWhereNobodyIsInside) {
  auto made = make();
  EXPECT_FALSE(interrupt_thread(*made.enclave, thread_offset()));
  EXPECT_FALSE(interrupt_thread(*made.enclave, TE_DATA));
  EXPECT_FALSE(interrupt_thread(*made.enclave, TE_SIZE));
}

class Storm : public Entry, public ::testing::WithParamInterface<std::uint64_t> {};

// Every register holds a pattern that the enclave compares without end, while another thread makes it leave and come
// back thousands of times at arbitrary instructions.
TEST_P(Storm, NoRegisterChanges) {
  const std::uint64_t xfrm = GetParam();
  if ((xfrm & ~machine_xfrm()) != 0) GTEST_SKIP() << "this CPU has no state for XFRM " << xfrm;
  constexpr int kInterrupts = 3000;
  auto made = make({.xfrm = xfrm});
  std::atomic<bool> ready{false};
  std::atomic<int> exits{0};
  std::thread inside([&] {
    ready = true;
    Entered left =
        run(made, static_cast<std::uint32_t>(TE_BODY_WATCH_SSE + testing::vector_level(xfrm)), 0x0123456789abcdef);
    while (left.outcome.leaf.ok() && left.outcome.kind == ExitKind::kInterrupt) {
      EXPECT_EQ(testing::ssa_gpr(made).exit_info, 0u) << "interrupts are not reported inside";
      exits.fetch_add(1);
      left = resume(made);
    }
    EXPECT_EQ(left.outcome.kind, ExitKind::kExit);
  });
  while (!ready) std::this_thread::yield();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  auto& rounds = made.data<volatile std::uint64_t>(TE_ROUNDS);
  auto& failed = made.data<volatile std::uint64_t>(TE_FAILED);
  while (exits < kInterrupts && failed == 0 && std::chrono::steady_clock::now() < limit) {
    (void)interrupt_thread(*made.enclave, thread_offset());
    const int seen = exits;
    for (int i = 0; i < 300 && exits == seen; ++i) _mm_pause();
    // On one CPU the other thread needs it now.
    if (exits == seen) std::this_thread::sleep_for(std::chrono::nanoseconds(1));
  }
  made.data<volatile std::uint32_t>(TE_STOP) = 1;
  inside.join();
  EXPECT_EQ(failed, 0u) << "1 general, 2 x87, 3 control words, 4 segments, 5 vectors, 6 masks";
  EXPECT_EQ(testing::compare_patterns(made, 1u << testing::kFlags), "");
  EXPECT_GT(exits, 1000) << "the storm was no storm";
  EXPECT_GT(rounds, 100u);
  std::printf("XFRM %llx: %d asynchronous exits, %llu rounds, seed %llu\n", static_cast<unsigned long long>(xfrm),
              exits.load(), static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(kSeed));
}

INSTANTIATE_TEST_SUITE_P(VectorState, Storm,
                         ::testing::Values(sgx::xfrm::kLegacy, sgx::xfrm::kLegacy | sgx::xfrm::kAvx,
                                           sgx::xfrm::kLegacy | sgx::xfrm::kAvx | sgx::xfrm::kAvx512),
                         [](const auto& test) { return "Xfrm" + std::to_string(test.param); });

}  // namespace
}  // namespace coffer::processor
