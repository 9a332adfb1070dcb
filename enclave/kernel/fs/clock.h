// Time for the file layer: time stamps and timeouts. Freestanding; thread-safe after use_clocks().
#pragma once

#include <cstdint>

namespace coffer::kernel::fs {

struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};

// Called once at start by whoever has better clocks than asking the host each time.
using RealtimeClock = Timestamp (*)();
using MonotonicClock = std::uint64_t (*)();
void use_clocks(RealtimeClock realtime, MonotonicClock monotonic_ns);

// Without use_clocks() both ask the host (Request::kClock): the wall clock is what the host says, within range; the
// monotonic one never goes back.
Timestamp realtime_now();
std::uint64_t monotonic_now_ns();

}  // namespace coffer::kernel::fs
