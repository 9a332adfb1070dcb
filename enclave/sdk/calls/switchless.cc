#include "enclave/sdk/calls/switchless.h"

#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "boundary/switchless.h"

namespace coffer::calls {

namespace {

using boundary::SlotState;
using boundary::SwitchlessQueue;
using boundary::SwitchlessSlot;

constexpr std::int64_t kInvalid = -22;  // -EINVAL
constexpr std::uint64_t kMostBytes = 0xffff'ffff;

std::atomic<SwitchlessQueue*> host_workers{nullptr};  // the queue for calls out

// A queue of the host's: nullptr where it does not lie in memory that both sides reach.
SwitchlessQueue* queue_at(std::uint64_t address) {
  auto* queue = reinterpret_cast<SwitchlessQueue*>(address);
  if (address % alignof(SwitchlessQueue) != 0 || !in_shared_memory(queue, sizeof(*queue))) return nullptr;
  return queue;
}

std::int64_t use_queue(const IncomingCall& call) {
  std::uint64_t address = 0;
  if (call.input.size() != sizeof(address)) return kInvalid;
  std::memcpy(&address, call.input.data(), sizeof(address));
  SwitchlessQueue* queue = queue_at(address);
  if (address != 0 && queue == nullptr) return kInvalid;
  host_workers.store(address == 0 ? nullptr : queue, std::memory_order_release);
  return 0;
}

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

// One call from a slot: each number is read once; what it names is checked, and copied once.
std::int64_t serve_slot(CallFunction function, void* context, const SwitchlessSlot& slot, std::uint64_t* written) {
  const volatile SwitchlessSlot& shared = slot;
  const std::uint64_t index = shared.index;
  const std::uint64_t sizes = shared.sizes;
  const auto* input = reinterpret_cast<const std::byte*>(shared.input);
  auto* output = reinterpret_cast<std::byte*>(shared.output);
  const std::size_t size = sizes & kMostBytes;
  const std::size_t room = sizes >> 32;
  if (!in_shared_memory(input, size) || !in_shared_memory(output, room) || index >= boundary::kSwitchlessServe) {
    return kInvalid;
  }
  const Memory argument(size == 0 ? nullptr : static_cast<std::byte*>(std::malloc(size)));
  const Memory result(room == 0 ? nullptr : static_cast<std::byte*>(std::calloc(1, room)));
  if ((size != 0 && argument == nullptr) || (room != 0 && result == nullptr)) return kNoMemory;
  if (size != 0) std::memcpy(argument.get(), input, size);
  IncomingCall call{.index = index, .input = {argument.get(), size}, .output = {result.get(), room}};
  const std::int64_t status = function(context, call);
  *written = call.written < room ? call.written : room;
  if (*written != 0) std::memcpy(output, result.get(), *written);
  return status;
}

// Looks for calls until there have been none for a while: how many there were.
std::int64_t serve_queue(CallFunction function, void* context, const IncomingCall& call) {
  boundary::SwitchlessTurn turn{};
  if (call.input.size() != sizeof(turn)) return kInvalid;
  std::memcpy(&turn, call.input.data(), sizeof(turn));
  SwitchlessQueue* queue = queue_at(turn.queue);
  if (queue == nullptr) return kInvalid;
  std::int64_t served = 0;
  queue->awake.fetch_add(1);
  for (std::uint64_t looks = 0; looks < turn.looks; ++looks) {
    SwitchlessSlot* slot = boundary::take(*queue);
    if (slot == nullptr) {
      __builtin_ia32_pause();
      continue;
    }
    std::uint64_t written = 0;
    slot->status = serve_slot(function, context, *slot, &written);
    slot->written = written;
    slot->state.store(SlotState::kDone, std::memory_order_release);
    ++served;
    looks = 0;
  }
  queue->awake.fetch_sub(1);
  return served;
}

}  // namespace

bool serve_switchless(CallFunction function, void* context, const IncomingCall& call, std::int64_t* status) {
  if (call.index == boundary::kSwitchlessUse) {
    *status = use_queue(call);
    return true;
  }
  if (call.index == boundary::kSwitchlessServe) {
    *status = serve_queue(function, context, call);
    return true;
  }
  return false;
}

Outcome<HostAnswer> call_host_switchless(std::uint64_t index, std::span<const std::byte> input,
                                         std::span<std::byte> output) {
  SwitchlessQueue* queue = host_workers.load(std::memory_order_acquire);
  if (queue == nullptr) return call_host(index, input, output);
  if (input.size() > kMostBytes || output.size() > kMostBytes || !in_shared_memory(input.data(), input.size()) ||
      !in_shared_memory(output.data(), output.size())) {
    return EnclaveError::kInvalid;
  }
  SwitchlessSlot* slot =
      boundary::post(*queue, index, reinterpret_cast<std::uint64_t>(input.data()), input.size() | output.size() << 32,
                     reinterpret_cast<std::uint64_t>(output.data()));
  if (slot == nullptr || !boundary::await(*slot, [] { return ::sched_yield() != 0; })) {
    queue->misses.fetch_add(1, std::memory_order_relaxed);
    return call_host(index, input, output);
  }
  const volatile SwitchlessSlot& shared = *slot;
  const std::int64_t status = shared.status;
  const std::uint64_t written = shared.written;
  slot->state.store(SlotState::kFree, std::memory_order_release);
  if (written > output.size()) return EnclaveError::kMalformed;
  return HostAnswer{status, static_cast<std::size_t>(written)};
}

}  // namespace coffer::calls
