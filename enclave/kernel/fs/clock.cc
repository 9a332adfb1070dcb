#include "enclave/kernel/fs/clock.h"

#include <time.h>

#include <atomic>

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel::fs {

namespace {

constexpr std::uint32_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMostSeconds = std::uint64_t{1} << 33;  // the year 2242; keeps nanoseconds within 64 bits

constinit std::atomic<RealtimeClock> realtime_clock{nullptr};
constinit std::atomic<MonotonicClock> monotonic_clock{nullptr};
constinit std::atomic<std::uint64_t> latest_monotonic{0};

// What the host says where it is in range, else zero.
Timestamp host_clock(int id) {
  const Answer answer = call_host(boundary::Request::kClock, static_cast<std::uint64_t>(id));
  if (answer.result != 0 || answer.extra[0] > kMostSeconds || answer.extra[1] >= kSecond) return {};
  return {static_cast<std::int64_t>(answer.extra[0]), static_cast<std::uint32_t>(answer.extra[1])};
}

}  // namespace

void use_clocks(RealtimeClock realtime, MonotonicClock monotonic_ns) {
  realtime_clock.store(realtime);
  monotonic_clock.store(monotonic_ns);
}

Timestamp realtime_now() {
  const RealtimeClock clock = realtime_clock.load();
  return clock != nullptr ? clock() : host_clock(CLOCK_REALTIME);
}

std::uint64_t monotonic_now_ns() {
  if (const MonotonicClock clock = monotonic_clock.load(); clock != nullptr) return clock();
  const Timestamp host = host_clock(CLOCK_MONOTONIC);
  const std::uint64_t now = static_cast<std::uint64_t>(host.seconds) * kSecond + host.nanoseconds;
  std::uint64_t latest = latest_monotonic.load();
  while (latest < now && !latest_monotonic.compare_exchange_weak(latest, now)) {
  }
  return latest < now ? now : latest;
}

}  // namespace coffer::kernel::fs
