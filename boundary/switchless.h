// Calls without a change of sides: both look at a queue in host memory (docs/design/sdk.md). Both sides include it.
//
// Everything in it can be changed by the host at any time. The enclave reads each number once, checks it as it does
// those of kNextCall and kHostCall, and relies on none of the states for more than when to look again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace coffer::boundary {

enum class SlotState : std::uint32_t {
  kFree = 0,
  kFilling = 1,  // a caller writes what follows
  kPosted = 2,
  kTaken = 3,  // a worker is at it
  kDone = 4,   // status and written are there
};

struct alignas(64) SwitchlessSlot {
  std::atomic<SlotState> state;
  std::uint32_t reserved;
  std::uint64_t index, input;
  std::uint64_t sizes;  // bytes of the input | room for the output << 32
  std::uint64_t output;
  std::int64_t status;
  std::uint64_t written;
};
static_assert(sizeof(SwitchlessSlot) == 64);

inline constexpr std::size_t kSwitchlessSlots = 8;

struct alignas(64) SwitchlessQueue {
  std::atomic<std::uint32_t> awake;   // workers that look at the slots
  std::atomic<std::uint32_t> misses;  // calls that found no worker and went the usual way; written by the callers
  alignas(64) SwitchlessSlot slots[kSwitchlessSlots];
};

// Functions that every enclave serves whose program calls coffer::calls::serve().
inline constexpr std::uint64_t kSwitchlessUse = ~std::uint64_t{0} - 1;    // input: u64 address of the queue for OCALLs
inline constexpr std::uint64_t kSwitchlessServe = ~std::uint64_t{0} - 2;  // input: SwitchlessTurn. Status: calls served
struct SwitchlessTurn {
  std::uint64_t queue;  // address of the queue for ECALLs
  std::uint64_t looks;  // without work, after which the worker comes back
};

// A slot that this caller has filled, or nullptr: nobody looks, or all are taken.
inline SwitchlessSlot* post(SwitchlessQueue& queue, std::uint64_t index, std::uint64_t input, std::uint64_t sizes,
                            std::uint64_t output) {
  if (queue.awake.load(std::memory_order_acquire) == 0) return nullptr;
  for (SwitchlessSlot& slot : queue.slots) {
    SlotState expected = SlotState::kFree;
    if (slot.state.load(std::memory_order_relaxed) != SlotState::kFree ||
        !slot.state.compare_exchange_strong(expected, SlotState::kFilling, std::memory_order_acquire)) {
      continue;
    }
    slot.index = index;
    slot.input = input;
    slot.sizes = sizes;
    slot.output = output;
    slot.state.store(SlotState::kPosted, std::memory_order_release);
    return &slot;
  }
  return nullptr;
}

// Waits for the end of a posted call. False where no worker took it in time: it is taken back, and was not made.
// `yield` is called while a worker takes long; true where there is nothing to wait for any more.
template <class Yield>
[[nodiscard]] bool await(SwitchlessSlot& slot, const Yield& yield) {
  constexpr int kPatience = 4000;  // looks; some ten microseconds or more
  for (int looks = 0; slot.state.load(std::memory_order_acquire) != SlotState::kDone; ++looks) {
    if (looks < kPatience) {
      __builtin_ia32_pause();
      continue;
    }
    SlotState expected = SlotState::kPosted;
    if (slot.state.compare_exchange_strong(expected, SlotState::kFree) || yield()) return false;
  }
  return true;
}

// Takes a posted call; nullptr where there is none.
inline SwitchlessSlot* take(SwitchlessQueue& queue) {
  for (SwitchlessSlot& slot : queue.slots) {
    SlotState expected = SlotState::kPosted;
    if (slot.state.load(std::memory_order_relaxed) == SlotState::kPosted &&
        slot.state.compare_exchange_strong(expected, SlotState::kTaken, std::memory_order_acquire)) {
      return &slot;
    }
  }
  return nullptr;
}

}  // namespace coffer::boundary
