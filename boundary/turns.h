// Waiting for and giving the turn of a Slot: spin first, then sleep on the futex, and wake only who sleeps. Hosted.
#pragma once

#include <immintrin.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <ctime>

#include <cerrno>
#include <cstdint>

#include "boundary/slot.h"

namespace coffer::boundary {

inline Turn owner_of(std::uint32_t turn) {
  return turn == static_cast<std::uint32_t>(Turn::kHost) || turn == static_cast<std::uint32_t>(Turn::kHostWorkerSleeps)
             ? Turn::kHost
             : Turn::kCell;
}

inline std::uint64_t spin_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Spins for at most the slot's spin time. True where the turn came.
inline bool spin_for_turn(Slot& slot, Turn mine) {
  const std::uint32_t limit = slot.spin_ns.load(std::memory_order_relaxed);
  if (owner_of(slot.turn.load(std::memory_order_acquire)) == mine) return true;
  if (limit == 0) return false;
  const std::uint64_t end = spin_clock_ns() + limit;
  do {
    for (int i = 0; i < 256; ++i) {
      if (owner_of(slot.turn.load(std::memory_order_acquire)) == mine) return true;
      _mm_pause();
    }
  } while (spin_clock_ns() < end);
  return false;
}

// Says in the slot that this side sleeps, then sleeps until the turn may have come or `timeout` passed. True: look
// again at once, false: the timeout passed.
inline bool sleep_for_turn(Slot& slot, Turn mine, const timespec* timeout = nullptr) {
  const auto waiting = static_cast<std::uint32_t>(mine == Turn::kCell ? Turn::kHost : Turn::kCell);
  const auto sleeping =
      static_cast<std::uint32_t>(mine == Turn::kCell ? Turn::kHostWorkerSleeps : Turn::kCellHostSleeps);
  std::uint32_t expected = waiting;
  if (!slot.turn.compare_exchange_strong(expected, sleeping, std::memory_order_acq_rel) && expected != sleeping) {
    return true;
  }
  const long result = ::syscall(SYS_futex, &slot.turn, FUTEX_WAIT, sleeping, timeout, nullptr, 0);
  return !(result != 0 && errno == ETIMEDOUT);
}

inline void wait_for_turn(Slot& slot, Turn mine) {
  while (owner_of(slot.turn.load(std::memory_order_acquire)) != mine) {
    if (spin_for_turn(slot, mine)) return;
    sleep_for_turn(slot, mine);
  }
}

// Hands the slot over and wakes the other side where it sleeps.
inline void give_turn(Slot& slot, Turn to) {
  const auto sleeping = static_cast<std::uint32_t>(to == Turn::kCell ? Turn::kHostWorkerSleeps : Turn::kCellHostSleeps);
  if (slot.turn.exchange(static_cast<std::uint32_t>(to), std::memory_order_acq_rel) == sleeping) {
    ::syscall(SYS_futex, &slot.turn, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
}

}  // namespace coffer::boundary
