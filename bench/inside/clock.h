// The time stamp counter: the one clock that both sides of an enclave's boundary read without leaving.
#pragma once

#include <x86intrin.h>

#include <cstdint>

namespace coffer::bench {

// Waits for what was started before, so that no work moves across the reading.
inline std::uint64_t ticks_now() {
  unsigned processor = 0;
  _mm_lfence();
  const std::uint64_t now = __rdtscp(&processor);
  _mm_lfence();
  return now;
}

}  // namespace coffer::bench
