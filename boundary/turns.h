// Waiting for and giving the turn of a Slot: spin first, then sleep on the futex, and wake only who sleeps. Hosted.
//
// Nobody sleeps through a turn: the sleeper says so by a read-modify-write of its flag and then looks at the turn; the
// giver sets the turn and then reads the flag by a read-modify-write. One of the two comes second and sees the other.
#pragma once

#include <immintrin.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/clock.h"
#include "boundary/slot.h"

namespace coffer::boundary {

inline bool has_turn(const Slot& slot, Turn side) {
  return slot.turn.load(std::memory_order_acquire) == static_cast<std::uint32_t>(side);
}

// How often to look closely, for about a microsecond, before the longer pauses in between: LFENCE is a fifth of PAUSE.
inline constexpr int kCloseLooks = 128;

// Spins for at most `limit_ns`. True where the turn came.
inline bool spin_for_turn(const Slot& slot, Turn mine, std::uint32_t limit_ns) {
  if (has_turn(slot, mine)) return true;
  if (limit_ns == 0) return false;
  for (int i = 0; i < kCloseLooks; ++i) {
    if (has_turn(slot, mine)) return true;
    _mm_lfence();
  }
  const std::uint64_t end = monotonic_ns() + limit_ns;
  do {
    for (int i = 0; i < 256; ++i) {
      if (has_turn(slot, mine)) return true;
      _mm_pause();
    }
  } while (monotonic_ns() < end);
  return false;
}

inline std::atomic<std::uint32_t>& sleeps_flag(Slot& slot, Turn side) {
  return side == Turn::kCell ? slot.worker_sleeps : slot.host_sleeps;
}

// Sleeps until the turn may have come or `timeout` passed. True: look again at once, false: the timeout passed.
inline bool sleep_for_turn(Slot& slot, Turn mine, const timespec* timeout = nullptr) {
  std::atomic<std::uint32_t>& sleeps = sleeps_flag(slot, mine);
  sleeps.exchange(1);
  const std::uint32_t now = slot.turn.load();
  bool again = true;
  if (now != static_cast<std::uint32_t>(mine)) {
    const long result = ::syscall(SYS_futex, &slot.turn, FUTEX_WAIT, now, timeout, nullptr, 0);
    again = !(result != 0 && errno == ETIMEDOUT);
  }
  sleeps.store(0, std::memory_order_relaxed);
  return again;
}

inline void wake(Slot& slot) { ::syscall(SYS_futex, &slot.turn, FUTEX_WAKE, 1, nullptr, nullptr, 0); }

// Hands the slot over and wakes the other side where it sleeps.
inline void give_turn(Slot& slot, Turn to) {
  slot.turn.store(static_cast<std::uint32_t>(to), std::memory_order_release);
  if (sleeps_flag(slot, to).fetch_add(0) != 0) wake(slot);
}

}  // namespace coffer::boundary
