// Calls into an enclave: sizes, statuses, many threads, and what happens to them when the enclave ends.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <future>
#include <random>
#include <thread>

#include <gmock/gmock.h>

#include "host/testing/enclaves.h"
#include "host/testing/programs/server_functions.h"

namespace coffer::host {
namespace {

using namespace std::chrono_literals;
using namespace testing::server;
using testing::Setting;
using testing::Streams;

constexpr std::int64_t kTooLong = -7;  // -E2BIG
constexpr std::size_t kServed = std::size_t{4} << 20;
constexpr auto kHangs = 60s;

std::vector<std::byte> pattern(std::size_t size, std::uint32_t seed) {
  std::minstd_rand random(seed + 1);
  std::vector<std::byte> bytes(size);
  for (auto& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

class Calls : public ::testing::TestWithParam<Setting> {
 protected:
  void start(int workers) { ASSERT_TRUE(enclave_.start(streams_.options({std::to_string(workers)}))); }
  // One echo, checked to the last byte.
  ::testing::AssertionResult echoes(std::size_t size, std::size_t room, std::uint32_t seed) {
    const auto input = pattern(size, seed);
    std::vector<std::byte> output(room + 16, std::byte{0xee});
    const auto result = enclave_.call(kEcho, input, std::span(output).first(room));
    if (!result) return ::testing::AssertionFailure() << result.error().message;
    const std::size_t expected = std::min(size, room);
    if (result->status != static_cast<std::int64_t>(size) || result->written != expected) {
      return ::testing::AssertionFailure()
             << size << "/" << room << ": status " << result->status << ", " << result->written << " bytes";
    }
    for (std::size_t i = 0; i < output.size(); ++i) {
      const std::byte right = i < expected ? input[i] ^ std::byte{0x5a} : std::byte{0xee};
      if (output[i] != right) return ::testing::AssertionFailure() << size << "/" << room << ": byte " << i;
    }
    return ::testing::AssertionSuccess();
  }

  Streams streams_;
  Enclave enclave_ = testing::load("server", GetParam());
};

TEST_P(Calls, CarryDataOfEverySize) {
  start(1);
  for (std::size_t size : {0u, 1u, 63u, 64u, 65u, 4095u, 4096u, 4097u, 131072u, 1000003u, 3u << 20, 4u << 20}) {
    EXPECT_TRUE(echoes(size, size, 1));
    EXPECT_TRUE(echoes(size, 0, 2));
    EXPECT_TRUE(echoes(size, size / 2, 3));
    EXPECT_TRUE(echoes(size, size + 100, 4));
  }
}

TEST_P(Calls, ArgumentsThatTheEnclaveHasNoRoomForAreRefusedByIt) {
  start(1);
  const auto input = pattern(kServed + 1, 5);
  std::vector<std::byte> output(10);
  const auto result = enclave_.call(kEcho, input, output);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, kTooLong);
  EXPECT_EQ(result->written, 0u);
  EXPECT_TRUE(echoes(1000, 1000, 6)) << "and it goes on serving";
}

TEST_P(Calls, BuffersBeyondTheArenaAreRefusedByTheHost) {
  start(1);
  if (GetParam().rung == RungKind::kInline) GTEST_SKIP() << "where the enclave reaches all of this process's memory";
  std::vector<std::byte> huge(std::size_t{256} << 20);
  const auto result = enclave_.call(kEcho, {}, huge);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kInput);
  EXPECT_TRUE(echoes(1000, 1000, 7));
}

TEST_P(Calls, AResultLargerThanTheRoomIsCutOff) {
  start(1);
  for (std::size_t room : {std::size_t{0}, std::size_t{1}, std::size_t{4000}}) {
    std::vector<std::byte> output(room + 8, std::byte{0xee});
    const auto result = enclave_.call(kTooMuch, {}, std::span(output).first(room));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->written, room);
    for (std::size_t i = 0; i < output.size(); ++i) EXPECT_EQ(output[i], i < room ? std::byte{0x77} : std::byte{0xee});
  }
  std::vector<std::byte> larger(2 * kServed);
  EXPECT_EQ(enclave_.call(kRoom, {}, larger)->status, static_cast<std::int64_t>(kServed));
}

TEST_P(Calls, ExceptionsStayInsideAndUnknownFunctionsHaveTheirStatus) {
  start(1);
  EXPECT_EQ(enclave_.call(kThrow, {}, {})->status, 13);
  EXPECT_EQ(enclave_.call(99, {}, {})->status, -38);
  EXPECT_EQ(enclave_.call(~std::uint64_t{0}, {}, {})->status, -38);
}

TEST_P(Calls, BeforeTheStartAreRefused) { EXPECT_EQ(enclave_.call(kCount, {}, {}).error().kind, ErrorKind::kLost); }

TEST_P(Calls, FromManyThreadsAreServedByManyThreads) {
  constexpr int kCallers = 12;
  constexpr int kEach = 60;
  start(5);
  for (auto spin : {0us, 50us}) {
    enclave_.set_spin(spin);
    std::atomic<int> good{0};
    std::vector<std::thread> callers;
    for (std::uint32_t caller = 0; caller < kCallers; ++caller) {
      callers.emplace_back([&, caller] {
        std::minstd_rand random(caller + 1);
        for (int i = 0; i < kEach; ++i) {
          const std::size_t size = random() % 3 == 0 ? random() % 200'000 : random() % 200;
          good += echoes(size, size, static_cast<std::uint32_t>(random())) ? 1 : 0;
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(good, kCallers * kEach);
  }
  EXPECT_EQ(enclave_.call(kCount, {}, {})->status, 2 * kCallers * kEach + 1);
}

// Callers that come before the first worker is ready, and more of them than workers, while somebody waits for the end.
TEST_P(Calls, EveryCallerIsServedThoughSomebodyWaitsForTheEnd) {
  for (int round = 0; round < 10; ++round) {
    Streams streams;
    Enclave enclave = testing::load("server", GetParam());
    ASSERT_TRUE(enclave.start(streams.options({"1"})));
    auto end = std::async(std::launch::async, [&] { return enclave.wait(); });
    std::vector<std::future<std::int64_t>> calls;
    for (int i = 0; i < 3; ++i) {
      calls.push_back(std::async(std::launch::async, [&] { return enclave.call(kThrow, {}, {})->status; }));
    }
    for (auto& call : calls) {
      ASSERT_EQ(call.wait_for(kHangs), std::future_status::ready) << "round " << round;
      EXPECT_EQ(call.get(), 13);
    }
    EXPECT_EQ(enclave.call(kExit, {}, {}).error().kind, ErrorKind::kLost);
    ASSERT_EQ(end.wait_for(kHangs), std::future_status::ready);
    EXPECT_EQ(end.get()->code, 9);
  }
}

// Spinning sides hand over without the loop that carries everything else: data, exceptions inside, page faults, system
// calls of the host, sides that fell asleep, and several callers all meet it.
TEST_P(Calls, SpinningAreServedAsWaitingOnesAre) {
  start(3);
  enclave_.set_spin(200us);
  for (int round = 0; round < 3; ++round) {
    for (std::size_t size : {0u, 1u, 4097u, 131072u, 1000003u}) EXPECT_TRUE(echoes(size, size, 7));
    for (int i = 0; i < 2000; ++i) ASSERT_EQ(enclave_.call(kRoom, {}, {})->status, 0);
    EXPECT_EQ(enclave_.call(kThrow, {}, {})->status, 13);
    EXPECT_EQ(enclave_.call(kArithmetic, {}, {})->status, 0);
    std::this_thread::sleep_for(2ms);  // the worker falls asleep
    EXPECT_EQ(enclave_.call(kArithmetic, std::array<std::byte, 1>{}, {})->status, 0);
    enclave_.set_spin(round == 0 ? 0us : 200us);
  }
  std::vector<std::future<int>> callers;
  for (std::uint32_t i = 0; i < 5; ++i) {
    callers.push_back(std::async(std::launch::async, [&, i] {
      int wrong = 0;
      for (int n = 0; n < 50; ++n) wrong += echoes(100 * i, 100 * i, i) ? 0 : 1;
      return wrong;
    }));
  }
  for (auto& caller : callers) {
    ASSERT_EQ(caller.wait_for(kHangs), std::future_status::ready);
    EXPECT_EQ(caller.get(), 0);
  }
  auto never = std::async(std::launch::async, [&] { return enclave_.call(kLoop, {}, {}).error().kind; });
  std::this_thread::sleep_for(10ms);
  enclave_.destroy();
  ASSERT_EQ(never.wait_for(kHangs), std::future_status::ready);
  EXPECT_EQ(never.get(), ErrorKind::kLost);
}

TEST_P(Calls, SpinningEndWithTheirProgram) {
  start(1);
  enclave_.set_spin(1ms);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(enclave_.call(kCount, {}, {}));
  EXPECT_EQ(enclave_.call(kExit, {}, {}).error().kind, ErrorKind::kLost);
  EXPECT_EQ(enclave_.wait()->code, 9);
}

// On `inline` the host's registers are what the enclave is entered with.
TEST_P(Calls, RunWithTheAbisFloatingPointStateWhateverTheHostLeft) {
  start(1);
  const auto call_with = [&](std::uint32_t mxcsr, std::uint16_t control_word, bool full_stack) {
    const std::uint32_t usual_mxcsr = 0x1f80;
    if (full_stack) asm volatile("fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1" ::: "memory");
    asm volatile("fldcw %0\n\tldmxcsr %1" ::"m"(control_word), "m"(mxcsr) : "memory");
    auto result = enclave_.call(kArithmetic, {}, {});
    asm volatile("fninit\n\tldmxcsr %0" ::"m"(usual_mxcsr) : "memory");
    return result ? result->status : -1;
  };
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(call_with(0x1f80, 0x37f, false), 0);
    EXPECT_EQ(call_with(0x1f80, 0x37f, true), 0) << "x87 stack full";
    EXPECT_EQ(call_with(0x5f80, 0x37f, false), 0) << "SSE rounds up";
    EXPECT_EQ(call_with(0x1f80, 0xb7f, true), 0) << "x87 rounds up";
    EXPECT_EQ(call_with(0xff80, 0x07f, false), 0) << "x87 computes in 24 bits";
  }
}

TEST_P(Calls, AndSystemCallsKeepEveryFlag) {
  start(1);
  const std::array<std::byte, 1> of_flags{};
  const auto result = enclave_.call(kArithmetic, of_flags, {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 0) << "the flags that changed";
}

TEST_P(Calls, DuringTheEndComeBackAsLost) {
  std::mt19937 random(99);
  for (int round = 0; round < 8; ++round) {
    Streams streams;
    Enclave enclave = testing::load("server", GetParam());
    ASSERT_TRUE(enclave.start(streams.options({"3"})));
    std::vector<std::future<ErrorKind>> callers;
    for (int i = 0; i < 6; ++i) {
      callers.push_back(std::async(std::launch::async, [&, i] {
        std::vector<std::byte> data(4096);
        while (true) {
          const auto result = enclave.call(i == 0 ? kLoop : kEcho, data, data);
          if (!result) return result.error().kind;
        }
      }));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30'000));
    if (round % 2 == 0) {
      enclave.destroy();
    } else {
      (void)enclave.call(round % 4 == 1 ? kExit : kEnd, {}, {});
    }
    for (auto& caller : callers) {
      ASSERT_EQ(caller.wait_for(kHangs), std::future_status::ready) << "round " << round;
      EXPECT_EQ(caller.get(), ErrorKind::kLost);
    }
    const auto status = enclave.wait();
    EXPECT_EQ(status.has_value(), round % 2 == 1);
    if (status) {
      EXPECT_EQ(status->signal, 0) << status->detail;
    }
  }
}

TEST_P(Calls, AnEnclaveIsDroppedWhileOthersStillCall) {
  start(2);
  auto caller = std::async(std::launch::async, [&] {
    while (enclave_.call(kCount, {}, {})) {
    }
    return true;
  });
  std::this_thread::sleep_for(20ms);
  enclave_.destroy();
  ASSERT_EQ(caller.wait_for(kHangs), std::future_status::ready);
}

INSTANTIATE_TEST_SUITE_P(Rungs, Calls, ::testing::ValuesIn(testing::all_settings()), testing::setting_name);

}  // namespace
}  // namespace coffer::host
