// Calls out of an enclave, calls into it meanwhile, and memory that both sides reach.
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <random>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>

#include "host/testing/enclaves.h"
#include "host/testing/programs/two_way_functions.h"

namespace coffer::host {
namespace {

using namespace testing::two_way;
using testing::Setting;
using testing::Streams;

std::vector<std::byte> pattern(std::size_t size, std::uint32_t seed) {
  std::minstd_rand random(seed + 1);
  std::vector<std::byte> bytes(size);
  for (auto& b : bytes) b = static_cast<std::byte>(random());
  return bytes;
}

CallResult echo(const HostCall& call) {
  const std::size_t written = std::min(call.input.size(), call.output.size());
  for (std::size_t i = 0; i < written; ++i) call.output[i] = call.input[i] ^ kMask;
  return {static_cast<std::int64_t>(call.input.size()), written};
}

class HostCalls : public ::testing::TestWithParam<Setting> {
 protected:
  void start(int threads) {
    enclave_.serve_host_calls([this](const HostCall& call) { return answer(call); });
    ASSERT_TRUE(enclave_.start(streams_.options({std::to_string(threads)})));
  }
  CallResult answer(const HostCall& call) {
    switch (call.index) {
      case kEcho:
        return echo(call);
      case kDescendOutside: {
        const auto deeper = enclave_.call(kDescend, call.input, call.output);
        if (!deeper) return {-1, 0};
        return *deeper;
      }
      case kLook:
        return {look(call), 0};
      case kThrow:
        throw std::runtime_error("the host's own");
      case kAskNest: {
        const auto nested = enclave_.call(kNest, {}, {});
        return {nested ? nested->status : -2, 0};
      }
      case kAdd: {
        std::uint64_t sum = 0;
        std::memcpy(&sum, call.input.data(), sizeof(sum));
        const std::uint64_t next = sum + 1;
        std::memcpy(call.output.data(), &next, sizeof(next));
        return {static_cast<std::int64_t>(sum % 2), sizeof(next)};
      }
      default:
        return {-38, 0};
    }
  }
  std::int64_t look(const HostCall& call) const {
    std::array<std::uint64_t, 2> message{};
    if (call.input.size() != sizeof(message)) return -1;
    std::memcpy(message.data(), call.input.data(), sizeof(message));
    const auto* memory = reinterpret_cast<const std::byte*>(message[0]);
    if (!enclave_.is_shared(memory, message[1])) return -2;
    for (std::size_t i = 0; i < message[1]; ++i) {
      if (memory[i] != kFill) return -3;
    }
    return static_cast<std::int64_t>(message[1]);
  }
  ::testing::AssertionResult forwards(std::uint64_t function, std::size_t size, std::uint32_t seed) {
    const auto input = pattern(size, seed);
    std::vector<std::byte> output(size);
    const auto result = enclave_.call(function, input, output);
    if (!result) return ::testing::AssertionFailure() << result.error().message;
    if (result->status != static_cast<std::int64_t>(size) || result->written != size) {
      return ::testing::AssertionFailure() << size << ": status " << result->status << ", " << result->written;
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (output[i] != (input[i] ^ kMask)) return ::testing::AssertionFailure() << size << ": byte " << i;
    }
    return ::testing::AssertionSuccess();
  }

  Streams streams_;
  Enclave enclave_ = testing::load("two_way", GetParam());
};

TEST_P(HostCalls, CarryDataOfEverySizeBothWays) {
  start(1);
  for (std::size_t size : {0u, 1u, 63u, 64u, 4095u, 4096u, 4097u, 65536u, 524288u, 524289u, 1000003u, 5u << 20}) {
    EXPECT_TRUE(forwards(kForward, size, 1));
    EXPECT_TRUE(forwards(kFromThread, size, 2));
  }
}

TEST_P(HostCalls, NestAndComeBackInOrder) {
  start(1);
  for (std::uint64_t depth : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{50}}) {
    std::uint64_t result = ~depth;
    const auto called =
        enclave_.call(kDescend, std::as_bytes(std::span(&depth, 1)), std::as_writable_bytes(std::span(&result, 1)));
    ASSERT_TRUE(called);
    EXPECT_EQ(called->status, 0);
    EXPECT_EQ(result, depth);
  }
  EXPECT_EQ(enclave_.call(kNest, {}, {})->status, -1) << "no nested call";
  EXPECT_EQ(enclave_.call(kAskNest, {}, {})->status, static_cast<std::int64_t>(kAskNest));
}

TEST_P(HostCalls, RunOnTheThreadThatMadeTheCall) {
  std::thread::id where;
  enclave_.serve_host_calls([&](const HostCall& call) {
    where = std::this_thread::get_id();
    return echo(call);
  });
  ASSERT_TRUE(enclave_.start(streams_.options({"1"})));
  ASSERT_TRUE(enclave_.call(kForward, {}, {}));
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_P(HostCalls, ThatThrowComeOutOfTheCallTheyWereMadeIn) {
  start(1);
  EXPECT_THROW((void)enclave_.call(kThrow, {}, {}), std::runtime_error);
  EXPECT_TRUE(forwards(kForward, 1000, 3)) << "and the enclave goes on";
}

TEST_P(HostCalls, WithoutAHandlerHaveTheirStatus) {
  ASSERT_TRUE(enclave_.start(streams_.options({"1"})));
  EXPECT_EQ(enclave_.call(kForward, {}, {})->status, -38);
}

TEST_P(HostCalls, OfTheEnclavesOwnMemoryAreRefusedInside) {
  start(1);
  EXPECT_EQ(enclave_.call(kLost, {}, {})->status, 0);
  EXPECT_EQ(enclave_.call(kRanges, {}, {})->status, 0);
  EXPECT_EQ(enclave_.call(kDepthFirst, {}, {})->status, 0);
}

TEST_P(HostCalls, TheEndOfTheProgramIsToldWhenItIsAwaited) {
  EXPECT_FALSE(enclave_.exit_status());
  start(1);
  EXPECT_TRUE(enclave_.wait_until_serving());
  EXPECT_FALSE(enclave_.exit_status());
  Enclave other = testing::load("compute", GetParam());
  ASSERT_TRUE(other.start(streams_.options({})));
  const auto serving = other.wait_until_serving();
  ASSERT_FALSE(serving);
  EXPECT_EQ(serving.error().kind, ErrorKind::kLost);
  EXPECT_THAT(serving.error().message, ::testing::HasSubstr("before it served calls"));
  EXPECT_TRUE(other.exit_status());
}

TEST(LaunchRung, IsForDebuggingOrNotAndTheEnvironmentGoesBefore) {
  ::unsetenv("COFFER_RUNG");
  EXPECT_EQ(rung_for_launch(true), RungKind::kInline);
  EXPECT_EQ(rung_for_launch(false), RungKind::kProcess);
  ::setenv("COFFER_RUNG", "process", 1);
  EXPECT_EQ(rung_for_launch(true), RungKind::kProcess);
  ::setenv("COFFER_RUNG", "sgx", 1);
  EXPECT_EQ(rung_for_launch(false), RungKind::kSgx);
  ::setenv("COFFER_RUNG", "ring0", 1);
  EXPECT_THAT(rung_for_launch(true).error().message, ::testing::HasSubstr("ring0"));
  ::unsetenv("COFFER_RUNG");
}

TEST_P(HostCalls, SharedMemoryIsSeenByBothSides) {
  start(1);
  for (std::size_t size : {std::size_t{1}, std::size_t{100}, std::size_t{4096}, std::size_t{3000000}}) {
    const std::vector<std::byte> input(size);
    EXPECT_EQ(enclave_.call(kShare, input, {})->status, static_cast<std::int64_t>(size));
    auto* memory = static_cast<std::byte*>(enclave_.allocate_shared(2 * size));
    ASSERT_NE(memory, nullptr);
    EXPECT_TRUE(enclave_.is_shared(memory, 2 * size));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 16, 0u);
    const auto expected = pattern(size, 9);
    std::memcpy(memory, expected.data(), size);
    const auto result = enclave_.call(kForward, {memory, size}, {memory + size, size});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->written, size);
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(memory[size + i], expected[i] ^ kMask);
    enclave_.release_shared(memory);
  }
}

TEST_P(HostCalls, NothingOfEarlierCallsGoesOut) {
  start(1);
  EXPECT_TRUE(forwards(kForward, 5000, 4));
  std::vector<std::byte> output(5000, std::byte{1});
  const auto result = enclave_.call(kLeak, {}, output);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->written, output.size());
  EXPECT_THAT(output, ::testing::Each(std::byte{0}));
}

TEST_P(HostCalls, FromManyThreadsAreServedByThreadsThatBeginAsTheyAreNeeded) {
  start(6);
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  constexpr std::uint32_t kCallers = 6, kEach = 40;
  for (std::uint32_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      for (std::uint32_t i = 0; i < kEach; ++i) {
        if (forwards(i % 2 == 0 ? kForward : kFromThread, 100 * i, caller * kEach + i)) ++good;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, kCallers * kEach);
}

TEST_P(HostCalls, WithoutAChangeOfSidesGiveTheSameWhetherWorkersLookOrSleep) {
  start(4);
  for (const bool workers : {false, true}) {
    if (workers) {
      ASSERT_TRUE(enclave_.use_switchless({.host_workers = 1, .enclave_workers = 1, .looks = 2000}));
      EXPECT_FALSE(enclave_.use_switchless({})) << "once";
    }
    std::uint64_t rounds = 3000;
    auto result = enclave_.call(kSwitchless, std::as_bytes(std::span(&rounds, 1)), {});
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, 3000);
    auto* memory = static_cast<std::byte*>(enclave_.allocate_shared(2000));
    for (int i = 0; i < 300; ++i) {
      const auto expected = pattern(1000, static_cast<std::uint32_t>(i));
      std::memcpy(memory, expected.data(), 1000);
      result = enclave_.call_switchless(kForward, {memory, 1000}, {memory + 1000, 1000});
      ASSERT_TRUE(result);
      ASSERT_EQ(result->written, 1000u);
      for (std::size_t k = 0; k < 1000; ++k) ASSERT_EQ(memory[1000 + k], expected[k] ^ kMask);
    }
    enclave_.release_shared(memory);
  }
}

// Calls come to the same wherever they are served, so this one asks where. A worker may be away at any moment: until
// one is seen, in as many calls as that takes.
TEST_P(HostCalls, WithoutAChangeOfSidesAreServedByWorkers) {
  std::atomic<int> served_elsewhere{0};
  const auto caller = std::this_thread::get_id();
  enclave_.serve_host_calls([&](const HostCall& call) {
    if (std::this_thread::get_id() != caller) ++served_elsewhere;
    return answer(call);
  });
  ASSERT_TRUE(enclave_.start(streams_.options({"4"})));
  auto* memory = static_cast<std::byte*>(enclave_.allocate_shared(128));
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto until_seen = [&](const auto& call) {
    served_elsewhere = 0;
    while (served_elsewhere == 0 && std::chrono::steady_clock::now() < patience) ASSERT_TRUE(call());
    EXPECT_GT(served_elsewhere, 0);
  };
  const std::uint64_t rounds = 100;
  ASSERT_TRUE(enclave_.call(kSwitchless, std::as_bytes(std::span(&rounds, 1)), {}));
  ASSERT_TRUE(enclave_.call_switchless(kForward, {memory, 64}, {memory + 64, 64}));
  EXPECT_EQ(served_elsewhere, 0) << "there are no workers yet";
  ASSERT_TRUE(enclave_.use_switchless({.host_workers = 1, .enclave_workers = 1, .looks = 10'000'000}));
  until_seen([&] { return enclave_.call(kSwitchless, std::as_bytes(std::span(&rounds, 1)), {}).has_value(); });
  // An OCALL of an ECALL that a worker carries runs on the worker's thread.
  until_seen([&] { return enclave_.call_switchless(kForward, {memory, 64}, {memory + 64, 64}).has_value(); });
  enclave_.release_shared(memory);
}

TEST_P(HostCalls, WithoutAChangeOfSidesEndWithTheEnclave) {
  start(4);
  ASSERT_TRUE(enclave_.use_switchless({.host_workers = 2, .enclave_workers = 2, .looks = 1000000}));
  std::atomic<bool> lost{false};
  std::thread caller([&] {
    std::vector<std::byte> nothing;
    while (enclave_.call_switchless(kNest, {}, {})) {
    }
    lost = true;
  });
  std::uint64_t rounds = 2000;
  EXPECT_TRUE(enclave_.call(kSwitchless, std::as_bytes(std::span(&rounds, 1)), {}));
  enclave_.destroy();
  caller.join();
  EXPECT_TRUE(lost);
}

TEST(SwitchlessCalls, AreRefusedByProgramsThatServeInAnotherWay) {
  Streams streams;
  Enclave enclave = testing::load("server", {});
  ASSERT_TRUE(enclave.start(streams.options({"2"})));
  const auto refused = enclave.use_switchless({.host_workers = 1, .enclave_workers = 0});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("does not serve switchless calls"));
}

INSTANTIATE_TEST_SUITE_P(Rungs, HostCalls, ::testing::ValuesIn(testing::all_settings()), testing::setting_name);

}  // namespace
}  // namespace coffer::host
