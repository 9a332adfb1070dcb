// System calls on time. The host's clocks are all there is: the wall clock is its word, the monotonic one never goes
// back.
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

#include <cerrno>
#include <ctime>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/thread.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/signals/timers.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;
constexpr std::uint64_t kSecond = 1'000'000'000;

timespec from_ns(std::uint64_t ns) { return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)}; }

// CPU time as the host counts it.
std::uint64_t cpu_time_ns(std::uint64_t clock) {
  std::uint64_t now = 0;
  signals::read_clock_ns(clock, &now);
  return now;
}

bool read_clock(std::uint64_t clock, timespec* time) {
  std::uint64_t now = 0;
  if (!signals::read_clock_ns(clock, &now)) return false;
  *time = from_ns(now);
  return true;
}

std::int64_t sys_clock_gettime(const Arguments& c) {
  timespec time{};
  if (!read_clock(c.a[0], &time)) return -EINVAL;
  return put_user(c.a[1], time) ? 0 : -EFAULT;
}

std::int64_t sys_clock_getres(const Arguments& c) {
  timespec time{};
  if (!read_clock(c.a[0], &time)) return -EINVAL;
  return c.a[1] == 0 || put_user(c.a[1], timespec{0, 1}) ? 0 : -EFAULT;
}

std::int64_t sys_gettimeofday(const Arguments& c) {
  const fs::Timestamp now = fs::realtime_now();
  const timeval value{static_cast<time_t>(now.seconds), static_cast<suseconds_t>(now.nanoseconds / 1000)};
  return c.a[0] == 0 || put_user(c.a[0], value) ? 0 : -EFAULT;
}

std::int64_t sys_time(const Arguments& c) {
  const std::int64_t now = fs::realtime_now().seconds;
  return c.a[0] == 0 || put_user(c.a[0], now) ? now : -EFAULT;
}

// Sleeps until the monotonic deadline, or -EINTR: a wake-up for no reason sleeps again.
std::int64_t sleep_until(std::uint64_t deadline) {
  for (std::uint64_t now = fs::monotonic_now_ns(); now < deadline; now = fs::monotonic_now_ns()) {
    if (signals::interrupted()) return -EINTR;
    park(deadline - now);
  }
  return 0;
}

std::int64_t sleep(std::uint64_t clock, bool absolute, std::uint64_t request, std::uint64_t remaining) {
  timespec time{};
  if (!get_user(request, &time)) return -EFAULT;
  if (time.tv_sec < 0 || time.tv_nsec < 0 || time.tv_nsec >= static_cast<long>(kSecond)) return -EINVAL;
  constexpr time_t kLongest = 1'000'000'000;
  const auto seconds = static_cast<std::uint64_t>(time.tv_sec < kLongest ? time.tv_sec : kLongest * 9);
  std::uint64_t span = seconds * kSecond + static_cast<std::uint64_t>(time.tv_nsec);
  std::uint64_t current = 0;
  if (!signals::read_clock_ns(clock, &current)) return -EINVAL;
  if (absolute) span = span > current ? span - current : 0;
  ThreadControl& thread = current_thread();
  // A sleep that a signal without a handler ended goes on to where it was to end.
  if (thread.sleep_deadline == 0) thread.sleep_deadline = fs::monotonic_now_ns() + span;
  const std::uint64_t deadline = thread.sleep_deadline;
  const std::int64_t result = sleep_until(deadline);
  if (result != -EINTR || absolute || remaining == 0) return result;
  const std::uint64_t now = fs::monotonic_now_ns();
  return put_user(remaining, from_ns(deadline > now ? deadline - now : 0)) ? result : -EFAULT;
}

std::int64_t sys_nanosleep(const Arguments& c) { return sleep(CLOCK_MONOTONIC, false, c.a[0], c.a[1]); }
std::int64_t sys_clock_nanosleep(const Arguments& c) {
  constexpr std::uint64_t kAbsolute = 1;
  if (c.a[0] == CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
  return sleep(c.a[0], (c.a[1] & kAbsolute) != 0, c.a[2], c.a[3]);
}

std::int64_t sys_yield(const Arguments&) {
  call_host(boundary::Request::kYield);
  return 0;
}

std::int64_t sys_getrusage(const Arguments& c) {
  constexpr std::uint64_t kThread = 1;  // RUSAGE_THREAD
  const auto who = static_cast<std::int32_t>(c.a[0]);
  if (who < RUSAGE_CHILDREN || who > static_cast<std::int32_t>(kThread)) return -EINVAL;
  rusage usage{};
  if (who == RUSAGE_CHILDREN) return put_user(c.a[1], usage) ? 0 : -EFAULT;
  const std::uint64_t ns = cpu_time_ns(who == RUSAGE_SELF ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID);
  const AddressSpace::Usage memory = address_space().usage();
  usage.ru_maxrss = static_cast<long>(memory.committed / 1024);
  usage.ru_utime = {static_cast<time_t>(ns / kSecond), static_cast<suseconds_t>(ns % kSecond / 1000)};
  return put_user(c.a[1], usage) ? 0 : -EFAULT;
}

std::int64_t sys_times(const Arguments& c) {
  constexpr std::uint64_t kTick = kSecond / 100;
  tms value{};
  value.tms_utime = static_cast<clock_t>(cpu_time_ns(CLOCK_PROCESS_CPUTIME_ID) / kTick);
  if (c.a[0] != 0 && !put_user(c.a[0], value)) return -EFAULT;
  return static_cast<std::int64_t>(fs::monotonic_now_ns() / kTick);
}

constexpr SyscallEntry kTable[] = {
    {24, "sched_yield", "", sys_yield, ""},
    {35, "nanosleep", "request, remaining", sys_nanosleep, "wake-ups at any time"},
    {96, "gettimeofday", "tv, tz", sys_gettimeofday, "any time within range"},
    {98, "getrusage", "who, usage", sys_getrusage, "any CPU time within range"},
    {100, "times", "buf", sys_times, "any CPU time within range"},
    {201, "time", "time", sys_time, "any time within range"},
    {228, "clock_gettime", "clock, time", sys_clock_gettime, "any time within range; monotonic ones never go back"},
    {229, "clock_getres", "clock, time", sys_clock_getres, ""},
    {230, "clock_nanosleep", "clock, flags, request, remaining", sys_clock_nanosleep, "wake-ups at any time"},
};

}  // namespace

std::span<const SyscallEntry> time_syscalls() { return kTable; }

}  // namespace coffer::kernel
