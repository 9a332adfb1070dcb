#include "enclave/kernel/signals/timers.h"

#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/syscalls/dispatch.h"

namespace coffer::kernel::signals {

using boundary::Request;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::size_t kTimers = 128;
constexpr std::uint64_t kLongestWait = 60 * kSecond;  // then the clocks are compared again: the wall clock may be set
constexpr std::uint64_t kUnusedFor = kSecond;         // what nobody has wanted for that long, or twice, goes back
constexpr std::uint64_t kCpuStep = kSecond / 250;     // CPU time is looked at no more often

struct Timer {
  bool used = false;
  bool armed = false;
  clockid_t clock = CLOCK_MONOTONIC;
  TimerTarget target;
  std::uint64_t deadline = 0, interval = 0;  // by its clock
  std::uint64_t expired = 0;                 // times since the last signal of it was taken
  std::int64_t overrun = 0;                  // of the last signal that was taken
};

SpinLock lock;  // for the timers; nothing under it leaves the enclave
std::array<Timer, kTimers> timers;
constinit std::atomic<bool> started{false};
constinit std::atomic<std::uint64_t> release_at{kNever};  // when it is to look for unused memory, by the same clock
constinit std::atomic<std::uint64_t> waits_until{0};      // the service thread's monotonic deadline

bool is_cpu_clock(clockid_t clock) { return clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID; }

// Every clock once, so that the lock is not held while asking.
struct Now {
  std::uint64_t monotonic = 0, realtime = 0, cpu = 0;
  [[nodiscard]] std::uint64_t of(clockid_t clock) const {
    if (is_cpu_clock(clock)) return cpu;
    return clock == CLOCK_REALTIME || clock == CLOCK_TAI ? realtime : monotonic;
  }
};

bool has_cpu_timers() {
  const LockGuard guard(lock);
  return std::ranges::any_of(timers, [](const Timer& t) { return t.armed && is_cpu_clock(t.clock); });
}

Now read_clocks(bool with_cpu) {
  Now now;
  read_clock_ns(CLOCK_MONOTONIC, &now.monotonic);
  read_clock_ns(CLOCK_REALTIME, &now.realtime);
  if (with_cpu) read_clock_ns(CLOCK_PROCESS_CPUTIME_ID, &now.cpu);
  return now;
}

// Nanoseconds of real time from now after which the timer is worth a look.
std::uint64_t wait_of(const Timer& timer, const Now& now) {
  const std::uint64_t current = now.of(timer.clock);
  const std::uint64_t left = timer.deadline > current ? timer.deadline - current : 0;
  // All threads together can use up CPU time faster than time passes.
  if (is_cpu_clock(timer.clock)) return left == 0 ? 0 : std::max(left / cpu_count(), kCpuStep);
  return std::min(left, kLongestWait);
}

std::uint64_t next_wait() {
  const Now now = read_clocks(has_cpu_timers());
  std::uint64_t least = kNever;
  {
    const LockGuard guard(lock);
    for (const Timer& timer : timers) {
      if (timer.armed) least = std::min(least, wait_of(timer, now));
    }
  }
  if (const std::uint64_t release = release_at.load(); release != kNever) {
    least = std::min(least, release > now.monotonic ? release - now.monotonic : 0);
  }
  waits_until.store(least == kNever ? kNever : now.monotonic + least);
  return least == kNever ? boundary::kNoTimeout : least;
}

ThreadControl* thread_of(std::uint32_t id) {
  for (std::uint32_t i = 0; i < layout().thread_count; ++i) {
    ThreadControl& thread = thread_block(i);
    if (thread.thread_id == id && thread.state.load() != ThreadState::kFree) return &thread;
  }
  return nullptr;
}

void raise(const TimerTarget& target) {
  if (target.none) return;
  if (target.thread_id == 0) {
    send_to_process(target.info);
  } else if (ThreadControl* thread = thread_of(target.thread_id); thread != nullptr) {
    send_to_thread(*thread, target.info);
  }
}

// Notes the expiries of one timer. True where its signal is to be raised.
bool expire(Timer& timer, std::uint64_t now) {
  if (!timer.armed || now < timer.deadline) return false;
  if (timer.interval == 0) {
    timer.armed = false;
    ++timer.expired;
  } else {
    const std::uint64_t times = (now - timer.deadline) / timer.interval + 1;
    timer.deadline += times * timer.interval;
    timer.expired += times;
  }
  return true;
}

void expire_all() {
  const Now now = read_clocks(has_cpu_timers());
  for (Timer& timer : timers) {
    TimerTarget target;
    {
      const LockGuard guard(lock);
      if (!expire(timer, now.of(timer.clock))) continue;
      target = timer.target;
    }
    raise(target);
  }
}

void release_memory() {
  const std::uint64_t now = fs::monotonic_now_ns();
  if (release_at.load() > now) return;
  address_space().release_unused();
  // In this order: what becomes unused after the look finds kNever, and says so itself.
  release_at.store(kNever);
  if (address_space().has_unused()) release_at.store(now + kUnusedFor);
}

bool is_host_signal(std::int64_t signal) {
  return std::ranges::find(boundary::kHostSignals, signal) != std::end(boundary::kHostSignals);
}

TimerSetting setting_of(const Timer& timer, std::uint64_t now) {
  if (!timer.armed) return {0, timer.interval};
  // An armed timer is never 0 from its end: that would say that it is not armed.
  return {timer.deadline > now ? timer.deadline - now : 1, timer.interval};
}

void arm(Timer& timer, const TimerSetting& setting, bool absolute, std::uint64_t now) {
  timer.armed = setting.value_ns != 0;
  timer.interval = setting.interval_ns;
  timer.expired = 0;
  timer.deadline = absolute ? setting.value_ns : now + std::min(setting.value_ns, kNever / 2);
}

// The service thread waits for the new deadline where it is sooner.
void wake_service() {
  const Now now = read_clocks(has_cpu_timers());
  std::uint64_t least = kNever;
  {
    const LockGuard guard(lock);
    for (const Timer& timer : timers) {
      if (timer.armed) least = std::min(least, now.monotonic + wait_of(timer, now));
    }
  }
  if (least < waits_until.load()) call_host(Request::kWakeEvent);
}

Timer* timer_at(std::int64_t number) {
  if (number < kIntervalTimers || number >= static_cast<std::int64_t>(kTimers)) return nullptr;
  Timer& timer = timers[static_cast<std::size_t>(number)];
  return timer.used ? &timer : nullptr;
}

std::int64_t set(Timer& timer, const TimerSetting& setting, bool absolute, TimerSetting* before) {
  if (setting.value_ns != 0 && !start_service()) return -EAGAIN;
  const Now now = read_clocks(is_cpu_clock(timer.clock));
  {
    const LockGuard guard(lock);
    const std::uint64_t current = now.of(timer.clock);
    if (before != nullptr) *before = setting_of(timer, current);
    arm(timer, setting, absolute, current);
  }
  if (setting.value_ns != 0) wake_service();
  return 0;
}

}  // namespace

bool is_service_thread(std::uint32_t index) { return index + 1 == layout().thread_count && index != 0; }

bool start_service() {
  if (started.exchange(true)) return true;
  const std::uint32_t index = layout().thread_count - 1;
  if (!is_service_thread(index)) return false;
  thread_block(index).state.store(ThreadState::kStarting);
  if (call_host(Request::kSpawn, index).result == 0) return true;
  log_always("the host gives no thread for signals and timers: they will not come");
  return false;
}

[[noreturn]] void serve() {
  while (true) {
    const std::int64_t signal = call_host(Request::kWaitEvent, next_wait()).result;
    waits_until.store(0);  // it looks at all timers before it waits again
    if (is_host_signal(signal)) {
      siginfo_t info{};
      info.si_signo = static_cast<int>(signal);
      info.si_code = SI_USER;
      send_to_process(info);
    }
    expire_all();
    release_memory();
  }
}

void release_memory_later() {
  if (release_at.load() != kNever || !address_space().has_unused() || !start_service()) return;
  const std::uint64_t due = fs::monotonic_now_ns() + kUnusedFor;
  release_at.store(due);
  if (due < waits_until.load()) call_host(Request::kWakeEvent);
}

std::int64_t create_timer(clockid_t clock, const TimerTarget& target) {
  std::uint64_t ignored = 0;
  if (!read_clock_ns(static_cast<std::uint64_t>(clock), &ignored)) return -EINVAL;
  const LockGuard guard(lock);
  for (std::size_t i = kIntervalTimers; i < kTimers; ++i) {
    if (timers[i].used) continue;
    timers[i] = Timer{};
    timers[i].used = true;
    timers[i].clock = clock;
    timers[i].target = target;
    timers[i].target.info.si_code = SI_TIMER;
    timers[i].target.info.si_timerid = static_cast<int>(i);
    return static_cast<std::int64_t>(i);
  }
  return -EAGAIN;
}

std::int64_t delete_timer(std::int64_t number) {
  const LockGuard guard(lock);
  Timer* timer = timer_at(number);
  if (timer == nullptr) return -EINVAL;
  *timer = Timer{};
  return 0;
}

std::int64_t set_timer(std::int64_t number, const TimerSetting& setting, bool absolute, TimerSetting* before) {
  Timer* timer = timer_at(number);
  return timer != nullptr ? set(*timer, setting, absolute, before) : -EINVAL;
}

std::int64_t read_timer(std::int64_t number, TimerSetting* now) {
  const Now clocks = read_clocks(true);
  const LockGuard guard(lock);
  const Timer* timer = timer_at(number);
  if (timer == nullptr) return -EINVAL;
  *now = setting_of(*timer, clocks.of(timer->clock));
  return 0;
}

std::int64_t overrun_of(std::int64_t number) {
  const LockGuard guard(lock);
  const Timer* timer = timer_at(number);
  return timer != nullptr ? timer->overrun : -EINVAL;
}

std::int64_t set_interval_timer(std::uint64_t which, const TimerSetting& setting, TimerSetting* before) {
  if (which >= kIntervalTimers) return -EINVAL;
  constexpr int kSignals[] = {SIGALRM, SIGVTALRM, SIGPROF};
  Timer& timer = timers[which];
  {
    const LockGuard guard(lock);
    timer.used = true;
    timer.clock = which == ITIMER_REAL ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
    timer.target.info.si_signo = kSignals[which];
    timer.target.info.si_code = SI_KERNEL;
  }
  return set(timer, setting, false, before);
}

std::int64_t read_interval_timer(std::uint64_t which, TimerSetting* now) {
  if (which >= kIntervalTimers) return -EINVAL;
  const Now clocks = read_clocks(which != ITIMER_REAL);
  const LockGuard guard(lock);
  const Timer& timer = timers[which];
  *now = setting_of(timer, clocks.of(timer.clock));
  return 0;
}

void note_delivery(siginfo_t* info) {
  constexpr std::int64_t kMostOverrun = 0x7fffffff;  // DELAYTIMER_MAX
  const LockGuard guard(lock);
  Timer* timer = timer_at(info->si_timerid);
  if (timer == nullptr) return;
  const std::uint64_t expired = std::exchange(timer->expired, 0);
  timer->overrun = expired == 0 ? 0 : std::min(static_cast<std::int64_t>(expired - 1), kMostOverrun);
  info->si_overrun = static_cast<int>(timer->overrun);
}

bool read_clock_ns(std::uint64_t clock, std::uint64_t* now) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI: {
      const fs::Timestamp time = fs::realtime_now();
      *now = static_cast<std::uint64_t>(time.seconds) * kSecond + time.nanoseconds;
      return true;
    }
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      *now = fs::monotonic_now_ns();
      return true;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID: {
      const Answer a = call_host(Request::kClock, clock);
      constexpr std::uint64_t kLongest = std::uint64_t{1} << 33;
      const bool good = a.result == 0 && a.extra[0] <= kLongest && a.extra[1] < kSecond;
      *now = good ? a.extra[0] * kSecond + a.extra[1] : 0;
      return true;
    }
    default:
      return false;
  }
}

}  // namespace coffer::kernel::signals
