// The loop that carries an enclave thread through local requests and exceptions; the parking places.
#include "processor/carrier/entry_loop.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <ctime>
#include <thread>

#include "processor/testing/test_enclave.h"

namespace coffer::processor {
namespace {

using Clock = std::chrono::steady_clock;

TEST(ParkingLot, AnUnparkThatCameFirstCounts) {
  ParkingLot lot(2);
  lot.unpark(1);
  const auto begin = Clock::now();
  lot.park(1, 5'000'000'000);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(2));
}

TEST(ParkingLot, ATimeoutEndsTheSleep) {
  ParkingLot lot(1);
  const auto begin = Clock::now();
  lot.park(0, 20'000'000);
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(10));
}

TEST(ParkingLot, AnUnparkWakes) {
  ParkingLot lot(1);
  std::thread sleeper([&] { lot.park(0, boundary::kNoTimeout); });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  lot.unpark(0);
  sleeper.join();
}

TEST(ParkingLot, AThreadThatIsNotThereIsIgnored) {
  ParkingLot lot(1);
  lot.unpark(1);
  lot.unpark(~std::uint64_t{0});
}

class Loop : public ::testing::Test {
 protected:
  void SetUp() override { testing::use_traps(); }

  LoopOutcome run(const testing::TestEnclave& made, Registers& registers) {
    boundary::CarrierCounters counters{};
    EntryLoop loop(*made.enclave, lot, counters, 0, testing::thread_offset());
    return loop.run(registers, stop);
  }

  ParkingLot lot{1};
  std::atomic<bool> stop{false};
};

TEST_F(Loop, ARemoteRequestComesBackWithItsRegisters) {
  auto made = testing::build();
  // The enclave identifies itself: RDI = CSSA = 0, which is no local request.
  Registers registers{TE_CMD_IDENTIFY, 0, 0, 0, 0};
  const LoopOutcome outcome = run(made, registers);
  EXPECT_FALSE(outcome.dead);
  EXPECT_EQ(registers.rdi, 0u);
  EXPECT_EQ(registers.rsi, made.address(testing::thread_offset()));
}

TEST_F(Loop, AfterAnExceptionTheHandlerRunsAndTheInstructionIsTriedAgain) {
  auto made = testing::build();
  testing::set_patterns(made, 7);
  Registers registers{TE_CMD_PATTERN, TE_BODY_UD2, 0, 0, 0};
  // The handler's entry (kException) makes this enclave identify itself: RDI = CSSA = 1 = kResume, so it goes on, meets
  // the same instruction for ever, and ends when asked.
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop = true;
  });
  const LoopOutcome outcome = run(made, registers);
  stopper.join();
  EXPECT_TRUE(outcome.dead);
  EXPECT_EQ(outcome.exception.signal, SIGILL);
  EXPECT_EQ(outcome.exception.rip, testing::fault_of(TE_BODY_UD2).offset);
}

// Carries a thread that meets the same exception for ever, with a handler that counts (TE_HANDLER).
class Handling {
 public:
  Handling(const testing::TestEnclave& made, std::uint32_t handler, ParkingLot& lot, std::atomic<bool>& stop)
      : made_(made), stop_(stop) {
    testing::set_patterns(made, 7);
    handler_ = handler;
    runner_ = std::thread([this, &lot] {
      boundary::CarrierCounters counters{};
      EntryLoop loop(*made_.enclave, lot, counters, 0, testing::thread_offset());
      Registers registers{TE_CMD_PATTERN, TE_BODY_UD2, 0, 0, 0};
      outcome = loop.run(registers, stop_);
      ended = true;
    });
  }
  ~Handling() { end(); }
  // Waits until the handler has counted `rounds` more; false where the thread has ended before.
  [[nodiscard]] bool count(std::uint64_t rounds) const {
    const std::uint64_t wanted = handled_ + rounds;
    while (handled_ < wanted && !ended) std::this_thread::yield();
    return !ended;
  }
  void let_handlers_go() { handler_ = 2; }
  void end() {
    if (!runner_.joinable()) return;
    stop_ = true;
    let_handlers_go();
    runner_.join();
  }
  LoopOutcome outcome;
  std::atomic<bool> ended{false};

 private:
  const testing::TestEnclave& made_;
  std::atomic<bool>& stop_;
  volatile std::uint32_t& handler_ = made_.data<volatile std::uint32_t>(TE_HANDLER);
  volatile std::uint64_t& handled_ = made_.data<volatile std::uint64_t>(TE_HANDLED);
  std::thread runner_;
};

TEST_F(Loop, AnInterruptedHandlerGoesOnAndThenTheExceptionIsResumed) {
  auto made = testing::build();
  Handling handling(made, 1, lot, stop);
  ASSERT_TRUE(handling.count(1));
  // The handler stays where it is: whoever leaves now leaves the handler, by an interrupt.
  for (int i = 0; i < 20; ++i) {
    track_and_flush(*made.enclave);
    ASSERT_TRUE(handling.count(1)) << "the handler goes on where it was";
  }
  handling.let_handlers_go();
  ASSERT_TRUE(handling.count(50)) << "each pass of the handler resumes the exception, which comes again";
  handling.end();
  EXPECT_TRUE(handling.outcome.dead);
  EXPECT_EQ(handling.outcome.exception.signal, SIGILL);
  EXPECT_EQ(handling.outcome.exception.rip, testing::fault_of(TE_BODY_UD2).offset);
}

// Interrupts at every place: in the program, in the handler, on the way in and out, where they come to nothing.
TEST_F(Loop, AStormOfInterruptsLosesNoExceptionAndNoFrame) {
  auto made = testing::build();
  Handling handling(made, 2, lot, stop);
  ASSERT_TRUE(handling.count(1));
  int sent = 0;
  for (int round = 0; round < 400 && !handling.ended; ++round) {
    for (int i = 0; i < 10; ++i) sent += interrupt_thread(*made.enclave, testing::thread_offset()) ? 1 : 0;
    ASSERT_TRUE(handling.count(1));
  }
  handling.end();
  EXPECT_GT(sent, 100) << "the storm was no storm";
  EXPECT_TRUE(handling.outcome.dead) << "it was asked to stop";
  EXPECT_EQ(handling.outcome.exception.rip, testing::fault_of(TE_BODY_UD2).offset);
  EXPECT_LE(made->thread_at(testing::thread_offset())->tcs.current_ssa, 2u);
}

TEST_F(Loop, AnExceptionWithoutAFrameForItsHandlerEndsTheThread) {
  auto made = testing::build({.ssa_count = 1});
  testing::set_patterns(made, 8);
  Registers registers{TE_CMD_PATTERN, TE_BODY_DIVIDE, 0, 0, 0};
  const LoopOutcome outcome = run(made, registers);
  EXPECT_TRUE(outcome.dead);
  EXPECT_EQ(outcome.exception.signal, SIGFPE);
}

TEST_F(Loop, AnEnclaveThatCannotBeEnteredIsDead) {
  auto made = testing::build_before_einit().built;
  Registers registers;
  EXPECT_TRUE(run(made, registers).dead);
}

TEST_F(Loop, StopEndsALoopingEnclaveAtItsNextExit) {
  auto made = testing::build();
  testing::set_patterns(made, 9);
  LoopOutcome outcome;
  std::thread inside([&] {
    Registers registers{TE_CMD_PATTERN, TE_BODY_SPIN, 0, 0, 0};
    outcome = run(made, registers);
  });
  auto& rounds = made.data<volatile std::uint64_t>(TE_ROUNDS);
  while (rounds == 0) std::this_thread::yield();
  stop = true;
  ThreadState* thread = made->thread_at(testing::thread_offset());
  testing::interrupt_until([&] { return !thread->busy; }, made);
  inside.join();
  EXPECT_TRUE(outcome.dead);
}

}  // namespace
}  // namespace coffer::processor
