// Leaves that change pages which are there, and the enclave's agreement to them: EMODPR, EMODT, EREMOVE, ETRACK;
// EACCEPT of what they did, EACCEPTCOPY, EMODPE. With enclave threads that really run where it matters who is inside.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>

#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using sgx::kPageSize;
using sgx::LeafError;
using sgx::PageType;
using sgx::Secinfo;
using sgx::SecinfoFlags;
using testing::build;
using testing::Entered;
using testing::TestEnclave;
using testing::thread_offset;
using Fault = LeafOutcome::Fault;

constexpr std::uint64_t kR = SecinfoFlags::kR, kW = SecinfoFlags::kW, kX = SecinfoFlags::kX;
constexpr std::uint64_t kPending = SecinfoFlags::kPending, kModified = SecinfoFlags::kModified,
                        kRestricted = SecinfoFlags::kPermRestricted;
constexpr std::uint64_t kReg = static_cast<std::uint64_t>(PageType::kReg) << 8;
constexpr std::uint64_t kTcs = static_cast<std::uint64_t>(PageType::kTcs) << 8;
constexpr std::uint64_t kTrim = static_cast<std::uint64_t>(PageType::kTrim) << 8;
constexpr std::uint64_t kOperand = TE_DATA + TE_OPERANDS;

Secinfo secinfo(std::uint64_t flags) { return {SecinfoFlags{flags}, {}}; }

class Pages : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::use_traps();
    ASSERT_TRUE(made.last.ok());
  }
  LeafOutcome accept(std::uint64_t flags, std::uint64_t offset, std::uint64_t count = 1) {
    made.at<Secinfo>(kOperand) = secinfo(flags);
    return made->eaccept(made.address(kOperand), made.address(offset), count);
  }
  LeafOutcome copy(std::uint64_t flags, std::uint64_t destination, std::uint64_t source) {
    made.at<Secinfo>(kOperand) = secinfo(flags);
    return made->eacceptcopy(made.address(kOperand), made.address(destination), made.address(source));
  }
  LeafOutcome extend(std::uint64_t flags, std::uint64_t offset, std::uint64_t count = 1) {
    made.at<Secinfo>(kOperand) = secinfo(flags);
    return made->emodpe(made.address(kOperand), made.address(offset), count);
  }
  // Readable and writable pages in the heap.
  void grow(std::uint64_t offset = TE_HEAP, std::uint64_t count = 1) {
    ASSERT_TRUE(accept(kReg | kR | kW | kPending, offset, count).ok());
  }
  // What enclave code meets at an address: 0, or the error code of its page fault. The frame is given back.
  std::uint32_t touch(std::uint32_t body, std::uint64_t offset) {
    testing::set_patterns(made, 1);
    made.data<std::uint64_t>(TE_REGS_IN) = made.address(offset);
    const auto left = testing::enter(made, {TE_CMD_PATTERN, body});
    if (left.outcome.kind == ExitKind::kExit) return 0;
    EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kPageFault);
    EXPECT_EQ(left.outcome.exception.address & ~0xfffull, made.address(offset) & ~0xfffull);
    const auto& gpr = testing::ssa_gpr(made);
    const auto& info = *reinterpret_cast<const sgx::ExInfo*>(reinterpret_cast<const std::byte*>(&gpr) - 16);
    EXPECT_EQ(info.error_code, left.outcome.exception.error_code) << "inside and outside hear the same";
    testing::ssa_gpr(made).rip = made.address(testing::fault_of(TE_BODY_NOTHING).offset);
    EXPECT_EQ(testing::resume(made).outcome.kind, ExitKind::kExit);
    return left.outcome.exception.error_code;
  }
  std::uint32_t read(std::uint64_t offset) { return touch(TE_BODY_LOAD, offset); }
  std::uint32_t write(std::uint64_t offset) { return touch(TE_BODY_STORE, offset); }

  TestEnclave made = build({.threads = 2});
};

using Emodpr = Pages;
using Emodt = Pages;
using Eremoved = Pages;
using Emodpe = Pages;
using Eacceptcopy = Pages;
using PageFaultCode = Pages;

// A thread that runs inside until it is stopped, on the TCS of thread 1.
class Inside {
 public:
  explicit Inside(const TestEnclave& made, std::uint32_t thread = 1) : made_(made), thread_(thread) {
    testing::set_patterns(made, 5);
    made.data<std::uint32_t>(TE_STOP) = 0;
    auto& rounds = made.data<volatile std::uint64_t>(TE_ROUNDS);
    rounds = 0;
    runner_ = std::thread([this] {
      auto left = testing::enter(made_, {TE_CMD_PATTERN, TE_BODY_SPIN}, thread_);
      while (left.outcome.leaf.ok() && left.outcome.kind == ExitKind::kInterrupt) {
        left_once = true;
        left = testing::resume(made_, thread_);
      }
      last = left.outcome;
    });
    while (rounds == 0) std::this_thread::yield();
  }
  ~Inside() { stop(); }
  void stop() {
    if (!runner_.joinable()) return;
    made_.data<volatile std::uint32_t>(TE_STOP) = 1;
    runner_.join();
  }
  // Makes it leave and come back once.
  void bounce() {
    left_once = false;
    testing::interrupt_until([this] { return left_once.load(); }, made_, thread_);
  }

  std::atomic<bool> left_once{false};
  EnterOutcome last;

 private:
  const TestEnclave& made_;
  std::uint32_t thread_;
  std::thread runner_;
};

TEST_F(Emodpr, Errors) {
  EXPECT_EQ(made->emodpr(TE_DATA + 8, secinfo(kR)).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(made->emodpr(TE_SIZE, secinfo(kR)).fault, Fault::kPageFault) << "outside";
  EXPECT_EQ(made->emodpr(TE_DATA, secinfo(kR), ~0u).fault, Fault::kPageFault) << "reaches outside";
  EXPECT_EQ(made->emodpr(TE_DATA, secinfo(kW)).fault, Fault::kGeneralProtection) << "W without R";
  EXPECT_EQ(made->emodpr(TE_DATA, secinfo(kR | 1ull << 6)).fault, Fault::kGeneralProtection) << "reserved";
  Secinfo dirty = secinfo(kR);
  dirty.reserved.back() = 1;
  EXPECT_EQ(made->emodpr(TE_DATA, dirty).fault, Fault::kGeneralProtection) << "reserved";
  const LeafOutcome nowhere = made->emodpr(TE_HEAP, secinfo(kR));
  EXPECT_EQ(nowhere.fault, Fault::kPageFault) << "no page";
  EXPECT_EQ(nowhere.fault_address, made.address(TE_HEAP));
  EXPECT_EQ(made->emodpr(thread_offset(), secinfo(kR)).fault, Fault::kPageFault) << "a TCS";
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  EXPECT_EQ(made->emodpr(TE_HEAP, secinfo(kR)).error, LeafError::kPageNotModifiable) << "pending";
  grow(TE_HEAP + kPageSize);
  ASSERT_TRUE(made->emodt(TE_HEAP + kPageSize, secinfo(kTrim)).ok());
  EXPECT_EQ(made->emodpr(TE_HEAP + kPageSize, secinfo(kR)).error, LeafError::kPageNotModifiable) << "modified";
  auto before = testing::build_before_einit().built;
  EXPECT_EQ(before->emodpr(TE_DATA, secinfo(kR)).fault, Fault::kGeneralProtection) << "before EINIT";
  EXPECT_EQ(write(TE_DATA + 0x3000), 0u) << "nothing has changed anywhere";
}

TEST_F(Emodpr, TakesRightsAwayAtOnceAndEacceptAgreesAfterEtrack) {
  grow();
  ASSERT_TRUE(made->emodpr(TE_HEAP, secinfo(kR)).ok());
  EXPECT_EQ(write(TE_HEAP), 0x8007u);
  EXPECT_EQ(read(TE_HEAP), 0u);
  EXPECT_EQ(accept(kReg | kR | kRestricted, TE_HEAP).error, LeafError::kNotTracked);
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_EQ(accept(kReg | kR | kW | kRestricted, TE_HEAP).error, LeafError::kPageAttributesMismatch);
  EXPECT_TRUE(accept(kReg | kR | kRestricted, TE_HEAP).ok());
  EXPECT_EQ(write(TE_HEAP), 0x8007u);
}

TEST_F(Emodpr, NeverGivesARight) {
  ASSERT_TRUE(made->emodpr(TE_READONLY, secinfo(kR | kW | kX)).ok());
  EXPECT_EQ(write(TE_READONLY), 0x8007u);
}

TEST_F(Emodpr, ToNothing) {
  grow();
  ASSERT_TRUE(made->emodpr(TE_HEAP, secinfo(0)).ok());
  EXPECT_EQ(read(TE_HEAP), 0x8005u);
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_TRUE(accept(kReg | kRestricted, TE_HEAP).ok());
}

TEST_F(Emodpr, StopsAtTheFirstPageThatCannotBe) {
  grow(TE_HEAP, 3);
  std::uint32_t changed = 0;
  EXPECT_EQ(made->emodpr(TE_HEAP + kPageSize, secinfo(kR), 4, &changed).error, LeafError::kPageNotModifiable)
      << "pages that EACCEPT added ahead are pending";
  EXPECT_EQ(changed, 2u);
  EXPECT_EQ(write(TE_HEAP), 0u);
  EXPECT_EQ(write(TE_HEAP + kPageSize), 0x8007u);
  EXPECT_EQ(write(TE_HEAP + 2 * kPageSize), 0x8007u);
}

TEST_F(Emodpr, AThreadInsideKeepsItUntrackedUntilItHasLeftOnce) {
  grow();
  Inside inside(made);
  ASSERT_TRUE(made->emodpr(TE_HEAP, secinfo(kR)).ok());
  ASSERT_TRUE(made->etrack().ok());
  EXPECT_EQ(accept(kReg | kR | kRestricted, TE_HEAP).error, LeafError::kNotTracked);
  EXPECT_EQ(made->etrack().error, LeafError::kPreviousTrackIncomplete);
  inside.bounce();
  EXPECT_TRUE(accept(kReg | kR | kRestricted, TE_HEAP).ok());
  EXPECT_TRUE(made->etrack().ok());
}

TEST_F(Emodpr, FlushThreadsIsWhatItTakes) {
  grow();
  Inside inside(made);
  ASSERT_TRUE(made->emodpr(TE_HEAP, secinfo(kR)).ok());
  track_and_flush(*made.enclave);
  EXPECT_TRUE(accept(kReg | kR | kRestricted, TE_HEAP).ok());
  EXPECT_TRUE(inside.left_once);
}

// An SSA frame that loses its rights while a thread is inside still takes what the exit saves; entering again is what
// the EPCM forbids.
TEST_F(Emodpr, TheFrameOfAThreadThatIsInside) {
  const std::uint64_t frame = thread_offset(1) + TE_SSA;
  Inside inside(made);
  ASSERT_TRUE(made->emodpr(frame, secinfo(0)).ok());
  testing::interrupt_until([&] { return !made->thread_at(thread_offset(1))->busy; }, made, 1);
  inside.stop();
  EXPECT_EQ(inside.last.leaf.fault, Fault::kPageFault);
  EXPECT_EQ(inside.last.leaf.fault_address, made.address(frame));
  ASSERT_TRUE(made->etrack().ok());
  ASSERT_TRUE(accept(kReg | kRestricted, frame).ok());
  ASSERT_TRUE(extend(kReg | kR | kW, frame).ok());
  EXPECT_NE(testing::ssa_gpr(made, 0, 1).rip, 0u) << "the state is there";
  EXPECT_EQ(testing::resume(made, 1).outcome.kind, ExitKind::kExit);
}

TEST_F(Emodt, Errors) {
  grow();
  EXPECT_EQ(made->emodt(TE_HEAP + 8, secinfo(kTrim)).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(made->emodt(TE_SIZE, secinfo(kTrim)).fault, Fault::kPageFault) << "outside";
  for (auto type : {PageType::kSecs, PageType::kReg, PageType::kVa, PageType::kSsFirst}) {
    EXPECT_EQ(made->emodt(TE_HEAP, secinfo(static_cast<std::uint64_t>(type) << 8)).fault, Fault::kGeneralProtection);
  }
  EXPECT_EQ(made->emodt(TE_HEAP, secinfo(kTrim | 1ull << 7)).fault, Fault::kGeneralProtection) << "reserved";
  EXPECT_EQ(made->emodt(TE_HEAP + 0x40000, secinfo(kTrim)).fault, Fault::kPageFault) << "no page";
  EXPECT_EQ(made->emodt(TE_HEAP + kPageSize, secinfo(kTrim)).error, LeafError::kPageNotModifiable) << "pending";
  EXPECT_EQ(made->emodt(thread_offset(), secinfo(kTcs)).fault, Fault::kPageFault) << "a TCS is no REG page";
  ASSERT_TRUE(made->emodt(TE_HEAP, secinfo(kTrim)).ok());
  EXPECT_EQ(made->emodt(TE_HEAP, secinfo(kTrim)).fault, Fault::kPageFault) << "TRIM is no REG page";
  auto before = testing::build_before_einit().built;
  EXPECT_EQ(before->emodt(TE_DATA, secinfo(kTrim)).fault, Fault::kGeneralProtection) << "before EINIT";
}

TEST_F(Emodt, ATrimmedPageIsInaccessibleAndRemovableWhileSomebodyIsInside) {
  grow();
  made.at<std::uint64_t>(TE_HEAP) = 0x5ec7e7;
  const auto used = made->usage().used_pages;
  Inside inside(made);
  ASSERT_TRUE(made->emodt(TE_HEAP, secinfo(kTrim)).ok());
  EXPECT_EQ(accept(kTrim | kModified, TE_HEAP).error, LeafError::kNotTracked);
  EXPECT_EQ(made->eremove(TE_HEAP).error, LeafError::kEnclaveActive) << "not accepted";
  track_and_flush(*made.enclave);
  EXPECT_EQ(accept(kTrim | kR | kModified, TE_HEAP).error, LeafError::kPageAttributesMismatch);
  ASSERT_TRUE(accept(kTrim | kModified, TE_HEAP).ok());
  EXPECT_EQ(accept(kTrim | kModified, TE_HEAP).error, LeafError::kPageAttributesMismatch) << "twice";
  EXPECT_TRUE(made->eremove(TE_HEAP).ok());
  EXPECT_EQ(made->usage().used_pages, used - 1);
  inside.stop();
  EXPECT_EQ(read(TE_HEAP), 4u) << "no page";
  grow();
  EXPECT_EQ(made.at<std::uint64_t>(TE_HEAP), 0u) << "its next page is a fresh one";
}

TEST_F(Emodt, TrimmedPagesFaultBeforeAndAfterEaccept) {
  grow();
  ASSERT_TRUE(made->emodt(TE_HEAP, secinfo(kTrim)).ok());
  EXPECT_EQ(read(TE_HEAP), 0x8005u);
  ASSERT_TRUE(made->etrack().ok());
  ASSERT_TRUE(accept(kTrim | kModified, TE_HEAP).ok());
  EXPECT_EQ(read(TE_HEAP), 0x8005u);
  EXPECT_EQ(write(TE_HEAP), 0x8007u);
}

TEST_F(Emodt, ATrimmedTcsLetsItsThreadLeaveAndNobodyIn) {
  Inside inside(made);
  ASSERT_TRUE(made->emodt(thread_offset(1), secinfo(kTrim)).ok());
  inside.stop();
  EXPECT_EQ(inside.last.kind, ExitKind::kExit);
  const auto again = testing::enter(made, {TE_CMD_IDENTIFY}, 1);
  EXPECT_EQ(again.outcome.leaf.fault, Fault::kPageFault);
  ASSERT_TRUE(made->etrack().ok());
  ASSERT_TRUE(accept(kTrim | kModified, thread_offset(1)).ok());
  ASSERT_TRUE(made->eremove(thread_offset(1)).ok());
  EXPECT_EQ(made->thread_at(thread_offset(1)), nullptr);
}

class NewTcs : public Pages {
 protected:
  // A TCS for the block of thread 1, written by the enclave into an ordinary page.
  void write_tcs(const std::function<void(sgx::Tcs&)>& change = {}) {
    sgx::Tcs tcs = testing::make_tcs({}, 1);
    if (change) change(tcs);
    grow();
    made.at<sgx::Tcs>(TE_HEAP) = tcs;
    ASSERT_TRUE(made->emodt(TE_HEAP, secinfo(kTcs)).ok());
    ASSERT_TRUE(made->etrack().ok());
  }
  Entered enter() {
    Entered result{.outcome = {}, .out = {TE_CMD_IDENTIFY, 0, 0, 0, 0}};
    result.outcome = eenter(*made.enclave, TE_HEAP, result.out);
    return result;
  }
};

TEST_F(NewTcs, APageOfTheEnclaveBecomesAThread) {
  write_tcs();
  EXPECT_EQ(enter().outcome.leaf.fault, Fault::kPageFault) << "not accepted yet";
  EXPECT_EQ(read(TE_HEAP), 0x8005u);
  ASSERT_TRUE(accept(kTcs | kModified, TE_HEAP).ok());
  EXPECT_EQ(read(TE_HEAP), 0x8005u) << "no software reads a TCS";
  const Entered entered = enter();
  ASSERT_EQ(entered.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(entered.out.rsi, made.address(TE_HEAP)) << "RBX = TCS";
  EXPECT_EQ(entered.out.r9, made.address(thread_offset(1) + TE_BLOCK)) << "GS base";
}

TEST_F(NewTcs, ThePlaceCanBeUsedAgain) {
  for (int round = 0; round < 3; ++round) {
    write_tcs();
    ASSERT_TRUE(accept(kTcs | kModified, TE_HEAP).ok());
    ASSERT_EQ(enter().outcome.kind, ExitKind::kExit);
    ASSERT_TRUE(made->emodt(TE_HEAP, secinfo(kTrim)).ok());
    ASSERT_TRUE(made->etrack().ok());
    ASSERT_TRUE(accept(kTrim | kModified, TE_HEAP).ok());
    ASSERT_TRUE(made->eremove(TE_HEAP).ok());
  }
}

TEST_F(NewTcs, FieldsThatEacceptChecks) {
  const std::function<void(sgx::Tcs&)> kBad[] = {
      [](sgx::Tcs& t) { t.state = 1; },     [](sgx::Tcs& t) { t.aep = 8; },
      [](sgx::Tcs& t) { t.flags = 1; },     [](sgx::Tcs& t) { t.reserved[7] = 1; },
      [](sgx::Tcs& t) { t.ssa_count = 0; }, [](sgx::Tcs& t) { t.current_ssa = t.ssa_count; }};
  for (const auto& bad : kBad) {
    made = build({.threads = 2});
    write_tcs(bad);
    EXPECT_EQ(accept(kTcs | kModified, TE_HEAP).fault, Fault::kGeneralProtection);
    EXPECT_EQ(enter().outcome.leaf.fault, Fault::kPageFault) << "still to be accepted";
  }
}

TEST_F(NewTcs, FieldsThatEveryEntryChecks) {
  const std::function<void(sgx::Tcs&)> kBad[] = {
      [](sgx::Tcs& t) { t.ssa_offset += 8; }, [](sgx::Tcs& t) { t.fs_offset += 8; },
      [](sgx::Tcs& t) { t.gs_offset += 8; }, [](sgx::Tcs& t) { t.flags = 4; },
      [](sgx::Tcs& t) { t.flags = sgx::tcs_flag::kAexNotify; }};
  for (const auto& bad : kBad) {
    made = build({.threads = 2});
    write_tcs(bad);
    ASSERT_TRUE(accept(kTcs | kModified, TE_HEAP).ok());
    EXPECT_EQ(enter().outcome.leaf.fault, Fault::kGeneralProtection);
  }
}

TEST_F(Emodpe, Errors) {
  grow();
  EXPECT_EQ(extend(kReg | kR, TE_HEAP + 8).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(extend(kReg | kR, TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(extend(kReg | kR, TE_HEAP, ~std::uint64_t{0}).fault, Fault::kGeneralProtection) << "reaches outside";
  EXPECT_EQ(extend(kReg | kR | 1ull << 6, TE_HEAP).fault, Fault::kGeneralProtection) << "reserved";
  EXPECT_EQ(extend(kReg | kR, TE_HEAP + 0x40000).fault, Fault::kPageFault) << "no page";
  EXPECT_EQ(extend(kReg | kR, TE_HEAP + kPageSize).fault, Fault::kPageFault) << "pending";
  EXPECT_EQ(extend(kReg | kR, thread_offset()).fault, Fault::kPageFault) << "a TCS";
  EXPECT_EQ(made->emodpe(made.address(TE_READONLY + 0x20), made.address(TE_HEAP), 1).fault, Fault::kGeneralProtection)
      << "the SECINFO is misaligned";
  EXPECT_EQ(made->emodpe(made.address(TE_HEAP + 0x40000), made.address(TE_HEAP), 1).fault, Fault::kPageFault)
      << "no SECINFO";
  ASSERT_TRUE(made->emodpr(TE_HEAP, secinfo(0)).ok());
  EXPECT_EQ(extend(kReg | kW, TE_HEAP).fault, Fault::kGeneralProtection) << "W without R";
  ASSERT_TRUE(made->emodt(TE_HEAP, secinfo(kTrim)).ok());
  EXPECT_EQ(extend(kReg | kR, TE_HEAP).fault, Fault::kPageFault) << "modified";
}

TEST_F(Emodpe, GivesRightsWithoutAnybodysHelp) {
  EXPECT_EQ(write(TE_READONLY), 0x8007u);
  ASSERT_TRUE(extend(kReg | kW, TE_READONLY).ok());
  EXPECT_EQ(write(TE_READONLY), 0u);
  grow();
  ASSERT_TRUE(made->emodpr(TE_HEAP, secinfo(0)).ok());
  ASSERT_TRUE(extend(kReg | kR | kW, TE_HEAP).ok());
  EXPECT_EQ(write(TE_HEAP), 0u);
}

TEST_F(Emodpe, NewCodeRunsWhereTheRungHasIt) {
  for (bool new_code : {false, true}) {
    made = build({.secret_memory = false, .new_code = new_code});
    grow();
    made.at<std::uint16_t>(TE_HEAP) = 0x0b0f;  // UD2
    ASSERT_TRUE(extend(kReg | kX, TE_HEAP).ok());
    testing::set_patterns(made, 1);
    made.data<std::uint64_t>(TE_REGS_IN) = made.address(TE_HEAP);
    const auto left = testing::enter(made, {TE_CMD_PATTERN, TE_BODY_JUMP});
    ASSERT_EQ(left.outcome.kind, ExitKind::kException);
    if (new_code) {
      EXPECT_EQ(left.outcome.exception.vector, sgx::vector::kInvalidOpcode) << "it runs, and is a UD2";
    } else {
      EXPECT_EQ(left.outcome.exception.error_code, 0x15u) << "the mapping does not allow it, the EPCM does";
    }
  }
}

TEST_F(Eacceptcopy, Errors) {
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 2, &added).ok());
  const std::uint64_t source = TE_READONLY;
  EXPECT_EQ(copy(kReg | kR | kW, TE_HEAP + 8, source).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(copy(kReg | kR | kW, TE_HEAP, source + 8).fault, Fault::kGeneralProtection) << "misaligned";
  EXPECT_EQ(copy(kReg | kR | kW, TE_SIZE, source).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(copy(kReg | kR | kW, TE_HEAP, TE_SIZE).fault, Fault::kGeneralProtection) << "outside";
  EXPECT_EQ(copy(kReg | kW, TE_HEAP, source).fault, Fault::kGeneralProtection) << "W without R";
  EXPECT_EQ(copy(kTcs | kR, TE_HEAP, source).fault, Fault::kGeneralProtection) << "REG only";
  EXPECT_EQ(copy(kReg | kR | 1ull << 6, TE_HEAP, source).fault, Fault::kGeneralProtection) << "reserved";
  EXPECT_EQ(copy(kReg | kR, TE_HEAP, TE_HEAP + kPageSize).fault, Fault::kPageFault) << "a pending source";
  EXPECT_EQ(copy(kReg | kR, TE_HEAP, TE_HEAP + 0x40000).fault, Fault::kPageFault) << "no source";
  EXPECT_EQ(copy(kReg | kR, TE_HEAP, thread_offset()).fault, Fault::kPageFault) << "a TCS";
  EXPECT_EQ(copy(kReg | kR, TE_DATA + 0x1000, source).error, LeafError::kPageAttributesMismatch) << "not pending";
  EXPECT_EQ(copy(kReg | kR, thread_offset(), source).error, LeafError::kPageAttributesMismatch) << "a TCS";
}

TEST_F(Eacceptcopy, CopiesAndAccepts) {
  made = build({.difference = 0x77});
  ASSERT_TRUE(copy(kReg | kR | kW, TE_HEAP, TE_READONLY).ok()) << "the driver adds the page";
  EXPECT_EQ(std::memcmp(&made.at<std::byte>(TE_HEAP), &made.at<std::byte>(TE_READONLY), kPageSize), 0);
  EXPECT_EQ(made.at<std::uint8_t>(TE_HEAP), 0x77);
  EXPECT_EQ(write(TE_HEAP), 0u);
  EXPECT_EQ(copy(kReg | kR | kW, TE_HEAP, TE_READONLY).error, LeafError::kPageAttributesMismatch) << "twice";
}

TEST_F(Eacceptcopy, ByEnclaveCode) {
  made.at<Secinfo>(kOperand) = secinfo(kReg | kR | kW);
  const auto left = testing::leaf(made, SGX_ENCLU_EACCEPTCOPY, made.address(kOperand), made.address(TE_HEAP),
                                  made.address(TE_READONLY));
  ASSERT_EQ(left.outcome.kind, ExitKind::kExit);
  EXPECT_EQ(left.out.rdi, 0u);
  EXPECT_EQ(write(TE_HEAP), 0u);
}

TEST_F(PageFaultCode, TellsAMissingPageFromOneThatTheEpcmRefuses) {
  EXPECT_EQ(read(TE_HEAP), 4u) << "nothing there";
  EXPECT_EQ(write(TE_HEAP), 6u);
  EXPECT_EQ(write(TE_READONLY), 0x8007u) << "the EPCM";
  EXPECT_EQ(touch(TE_BODY_JUMP, TE_DATA), 0x8015u) << "the EPCM";
  EXPECT_EQ(read(thread_offset()), 0x8005u) << "a TCS";
  std::uint32_t added = 0;
  ASSERT_TRUE(made->eaug(TE_HEAP, 1, &added).ok());
  EXPECT_EQ(write(TE_HEAP), 0x8007u) << "pending";
}

// EENTER checks the SSA frame and then writes to it; EREMOVE takes it away where nobody is inside. Whatever the order,
// nobody writes where nothing is.
TEST_F(Eremoved, WhileSomebodyEnters) {
  made = build({.tcs = [](sgx::Tcs& t) { t.ssa_offset = TE_HEAP; }});
  ASSERT_TRUE(made.last.ok());
  constexpr int kRounds = 200;
  int entered = 0;
  int active = 0;
  for (int round = 0; round < kRounds; ++round) {
    grow();
    std::atomic<bool> begun{false};
    std::thread remover([&] {
      while (!begun) continue;
      while (true) {
        const LeafOutcome outcome = made->eremove(TE_HEAP);
        if (outcome.ok()) return;
        ASSERT_EQ(outcome.error, LeafError::kEnclaveActive);
        ++active;
        std::this_thread::yield();  // the lock is not fair
      }
    });
    while (true) {
      const auto left = testing::enter(made, {TE_CMD_IDENTIFY});
      begun = true;
      if (left.outcome.leaf.fault == Fault::kPageFault && made->pages_allow(TE_HEAP, 1, kR)) continue;
      if (!left.outcome.leaf.ok()) {
        ASSERT_EQ(left.outcome.leaf.fault_address, made.address(TE_HEAP));
        break;
      }
      ++entered;
      std::this_thread::yield();
    }
    remover.join();
  }
  EXPECT_GT(entered, 0);
  std::printf("%d entries, %d refused removals\n", entered, active);
}

}  // namespace
}  // namespace coffer::processor
