// Calls the host from inside its calls, on as many threads as argv[1] says: what comes back is for the tests to judge.
#include <coffer/calls.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "host/testing/programs/two_way_functions.h"

namespace {

using namespace coffer::host::testing::two_way;
using coffer::calls::call_host;
using coffer::calls::IncomingCall;
using coffer::calls::SharedBlock;

constexpr std::int64_t kFailed = -1000;

// The host's `function` with `input`; what it gave is copied to `output`, once.
std::int64_t ask(std::uint64_t function, std::span<const std::byte> input, std::span<std::byte> output,
                 std::size_t* written) {
  const SharedBlock question(input.size());
  const SharedBlock answer(output.size());
  if (question.bytes().size() != input.size() || answer.bytes().size() != output.size()) return kFailed;
  if (!input.empty()) std::memcpy(question.bytes().data(), input.data(), input.size());
  const auto came = call_host(function, question.bytes(), answer.bytes());
  if (!came) return kFailed - 1;
  if (came->written != 0) std::memcpy(output.data(), answer.bytes().data(), came->written);
  *written = came->written;
  return came->status;
}

std::int64_t descend(IncomingCall& call) {
  std::uint64_t depth = 0;
  if (call.input.size() != sizeof(depth) || call.output.size() != sizeof(depth)) return kFailed;
  std::memcpy(&depth, call.input.data(), sizeof(depth));
  std::uint64_t result = 0;
  if (depth != 0) {
    --depth;
    std::size_t written = 0;
    const auto status = ask(kDescendOutside, std::as_bytes(std::span(&depth, 1)),
                            std::as_writable_bytes(std::span(&result, 1)), &written);
    if (status != 0 || written != sizeof(result)) return kFailed;
    ++result;
  }
  std::memcpy(call.output.data(), &result, sizeof(result));
  call.written = sizeof(result);
  return 0;
}

std::int64_t share(const IncomingCall& call) {
  void* memory = coffer::calls::allocate_shared(call.input.size());
  if (memory == nullptr) return kFailed;
  if (!coffer::calls::in_shared_memory(memory, call.input.size())) return kFailed - 1;
  std::memset(memory, std::to_integer<int>(kFill), call.input.size());
  const std::array<std::uint64_t, 2> message = {reinterpret_cast<std::uint64_t>(memory), call.input.size()};
  std::size_t written = 0;
  const std::int64_t status = ask(kLook, std::as_bytes(std::span(message)), {}, &written);
  coffer::calls::release_shared(memory);
  return status;
}

std::int64_t ranges() {
  using namespace coffer::calls;
  std::array<std::byte, 100> inside{};
  const SharedBlock block(100);
  if (!within_enclave(inside.data(), inside.size()) || outside_enclave(inside.data(), inside.size())) return 1;
  if (in_shared_memory(inside.data(), inside.size())) return 2;
  if (within_enclave(block.bytes().data(), 100) || !outside_enclave(block.bytes().data(), 100)) return 3;
  if (!in_shared_memory(block.bytes().data(), 100)) return 4;
  if (within_enclave(inside.data(), ~std::size_t{0}) || outside_enclave(block.bytes().data(), ~std::size_t{0}))
    return 5;
  for (const std::byte* memory : {inside.data(), block.bytes().data()}) {
    if (!within_enclave(memory, 0) || !outside_enclave(memory, 0) || !in_shared_memory(memory, 0)) return 6;
  }
  return 0;
}

// No memory of the host's: the enclave's own is refused by the kernel.
std::int64_t lost() {
  const std::array<std::byte, 16> own{};
  return call_host(kEcho, own, {}) ? 1 : 0;
}

std::int64_t switchless(const IncomingCall& call) {
  std::uint64_t rounds = 0;
  if (call.input.size() != sizeof(rounds)) return kFailed;
  std::memcpy(&rounds, call.input.data(), sizeof(rounds));
  const SharedBlock block(sizeof(std::uint64_t));
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < rounds; ++i) {
    std::memcpy(block.bytes().data(), &sum, sizeof(sum));
    const auto came = coffer::calls::call_host_switchless(kAdd, block.bytes(), block.bytes());
    if (!came || came->status != static_cast<std::int64_t>(i % 2) || came->written != sizeof(sum)) return kFailed - 1;
    std::memcpy(&sum, block.bytes().data(), sizeof(sum));
  }
  return static_cast<std::int64_t>(sum);
}

std::int64_t depth_first() {
  const std::array<std::byte, 8> word{};
  for (int round = 0; round < 1000; ++round) {
    const SharedBlock first(100000);
    const SharedBlock second(900000);
    const SharedBlock third(3000000);  // beyond the thread's stack
    if (first.bytes().empty() || second.bytes().empty() || third.bytes().empty()) return 1;
    std::array<std::byte, 8> answer{};
    std::size_t written = 0;
    if (round % 100 == 0 && ask(kEcho, word, answer, &written) != 8) return 2;
  }
  return 0;
}

std::int64_t handle(void*, IncomingCall& call) {
  switch (call.index) {
    case kForward:
      return ask(kEcho, call.input, call.output, &call.written);
    case kDescend:
      return descend(call);
    case kFromThread: {
      std::int64_t status = 0;
      std::thread([&] { status = ask(kEcho, call.input, call.output, &call.written); }).join();
      return status;
    }
    case kShare:
      return share(call);
    case kRanges:
      return ranges();
    case kLost:
      return lost();
    case kLeak:
      call.written = call.output.size();
      return 0;
    case kNest:
      return call.nested_in ? static_cast<std::int64_t>(*call.nested_in) : -1;
    case kSwitchless:
      return switchless(call);
    case kDepthFirst:
      return depth_first();
    case kThrow:
    case kAskNest:
      return ask(call.index, {}, {}, &call.written);
    default:
      return -38;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  coffer::calls::serve(handle, nullptr, static_cast<std::uint32_t>(threads));
}
