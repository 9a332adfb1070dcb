// System calls on timers: what raises a signal, or makes a descriptor readable, when a time has come. It comes by the
// host's clocks, and as late as the host likes.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/signals/files.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/signals/timers.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;
using signals::TimerSetting;

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kMicrosecond = 1000;
constexpr std::int64_t kMostSeconds = std::int64_t{1} << 33;

// Nanoseconds of a time in seconds and a fraction; false where it is none.
bool to_ns(std::int64_t seconds, std::int64_t fraction, std::uint64_t unit, std::uint64_t* ns) {
  if (seconds < 0 || fraction < 0 || static_cast<std::uint64_t>(fraction) * unit >= kSecond) return false;
  if (seconds > kMostSeconds) seconds = kMostSeconds;
  *ns = static_cast<std::uint64_t>(seconds) * kSecond + static_cast<std::uint64_t>(fraction) * unit;
  return true;
}

timeval to_timeval(std::uint64_t ns) {
  const std::uint64_t us = (ns + kMicrosecond - 1) / kMicrosecond;  // never 0 for what is not over yet
  return {static_cast<time_t>(us / 1'000'000), static_cast<suseconds_t>(us % 1'000'000)};
}
itimerval to_itimerval(const TimerSetting& s) { return {to_timeval(s.interval_ns), to_timeval(s.value_ns)}; }

timespec to_timespec(std::uint64_t ns) { return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)}; }
itimerspec to_itimerspec(const TimerSetting& s) { return {to_timespec(s.interval_ns), to_timespec(s.value_ns)}; }

// 0 or a negative errno.
int user_setting(std::uint64_t address, TimerSetting* setting) {
  itimerspec wanted{};
  if (!get_user(address, &wanted)) return -EFAULT;
  return to_ns(wanted.it_value.tv_sec, wanted.it_value.tv_nsec, 1, &setting->value_ns) &&
                 to_ns(wanted.it_interval.tv_sec, wanted.it_interval.tv_nsec, 1, &setting->interval_ns)
             ? 0
             : -EINVAL;
}

std::int64_t sys_setitimer(const Arguments& c) {
  itimerval wanted{};
  TimerSetting setting;
  TimerSetting before;
  if (c.a[1] != 0 && !get_user(c.a[1], &wanted)) return -EFAULT;
  if (!to_ns(wanted.it_value.tv_sec, wanted.it_value.tv_usec, kMicrosecond, &setting.value_ns) ||
      !to_ns(wanted.it_interval.tv_sec, wanted.it_interval.tv_usec, kMicrosecond, &setting.interval_ns)) {
    return -EINVAL;
  }
  if (const std::int64_t failed = signals::set_interval_timer(c.a[0], setting, &before); failed != 0) return failed;
  return c.a[2] == 0 || put_user(c.a[2], to_itimerval(before)) ? 0 : -EFAULT;
}

std::int64_t sys_getitimer(const Arguments& c) {
  TimerSetting now;
  if (const std::int64_t failed = signals::read_interval_timer(c.a[0], &now); failed != 0) return failed;
  return put_user(c.a[1], to_itimerval(now)) ? 0 : -EFAULT;
}

std::int64_t sys_alarm(const Arguments& c) {
  TimerSetting before;
  const TimerSetting setting{static_cast<std::uint32_t>(c.a[0]) * kSecond, 0};
  if (const std::int64_t failed = signals::set_interval_timer(ITIMER_REAL, setting, &before); failed != 0) {
    return failed;
  }
  const std::uint64_t rounded = (before.value_ns + kSecond / 2) / kSecond;
  return static_cast<std::int64_t>(before.value_ns != 0 && rounded == 0 ? 1 : rounded);
}

// struct sigevent as the system call has it.
struct UserSigevent {
  std::uint64_t value;
  std::int32_t signal, notify, thread_id, padding[11];
};
static_assert(sizeof(UserSigevent) == 64);

int target_of(std::uint64_t address, signals::TimerTarget* target) {
  UserSigevent event{};
  event.signal = SIGALRM;
  event.notify = SIGEV_SIGNAL;
  if (address != 0 && !get_user(address, &event)) return -EFAULT;
  constexpr std::int32_t kThreadId = 4;  // SIGEV_THREAD_ID
  target->none = event.notify == SIGEV_NONE;
  if (target->none) return 0;
  if (event.notify != SIGEV_SIGNAL && event.notify != (SIGEV_SIGNAL | kThreadId)) return -EINVAL;
  if (event.signal < 1 || event.signal > signals::kLastSignal) return -EINVAL;
  if ((event.notify & kThreadId) != 0) target->thread_id = static_cast<std::uint32_t>(event.thread_id);
  target->info.si_signo = event.signal;
  target->info.si_value.sival_ptr = reinterpret_cast<void*>(event.value);
  return 0;
}

std::int64_t sys_timer_create(const Arguments& c) {
  signals::TimerTarget target;
  if (const int failed = target_of(c.a[1], &target); failed != 0) return failed;
  const std::int64_t number = signals::create_timer(static_cast<clockid_t>(c.a[0]), target);
  if (number < 0) return number;
  if (put_user(c.a[2], static_cast<std::int32_t>(number))) return 0;
  (void)signals::delete_timer(number);
  return -EFAULT;
}

std::int64_t timer_number(std::uint64_t argument) { return static_cast<std::int32_t>(argument); }

std::int64_t sys_timer_settime(const Arguments& c) {
  TimerSetting setting;
  TimerSetting before;
  if (const int failed = user_setting(c.a[2], &setting); failed != 0) return failed;
  const bool absolute = (c.a[1] & TIMER_ABSTIME) != 0;
  const std::int64_t result = signals::set_timer(timer_number(c.a[0]), setting, absolute, &before);
  if (result != 0) return result;
  return c.a[3] == 0 || put_user(c.a[3], to_itimerspec(before)) ? 0 : -EFAULT;
}

std::int64_t sys_timer_gettime(const Arguments& c) {
  TimerSetting now;
  if (const std::int64_t failed = signals::read_timer(timer_number(c.a[0]), &now); failed != 0) return failed;
  return put_user(c.a[1], to_itimerspec(now)) ? 0 : -EFAULT;
}

std::int64_t sys_timer_getoverrun(const Arguments& c) { return signals::overrun_of(timer_number(c.a[0])); }
std::int64_t sys_timer_delete(const Arguments& c) { return signals::delete_timer(timer_number(c.a[0])); }

constexpr std::string_view kTimerfdPath = "anon_inode:[timerfd]";

std::int64_t sys_timerfd_create(const Arguments& c) {
  const int flags = static_cast<int>(c.a[1]);
  std::uint64_t now = 0;
  if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) != 0) return -EINVAL;
  if (c.a[0] == CLOCK_PROCESS_CPUTIME_ID || c.a[0] == CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
  if (!signals::read_clock_ns(c.a[0], &now)) return -EINVAL;
  fs::Ref<fs::Description> description(new fs::Description(signals::make_timer_file(static_cast<clockid_t>(c.a[0])),
                                                           O_RDWR | (flags & TFD_NONBLOCK), std::string(kTimerfdPath),
                                                           nullptr, 0));
  const auto number = fs::files().descriptors.add(std::move(description), (flags & TFD_CLOEXEC) != 0);
  return number ? *number : -number.error();
}

fs::Expected<fs::Ref<fs::Description>> timerfd(std::uint64_t number) {
  auto description = fs::files().descriptors.get(static_cast<int>(number));
  if (!description) return fs::error(EBADF);
  if ((*description)->path() != kTimerfdPath) return fs::error(EINVAL);
  return description;
}
signals::TimerFile& timer_of(const fs::Ref<fs::Description>& description) {
  return static_cast<signals::TimerFile&>(description->file());
}

std::int64_t sys_timerfd_settime(const Arguments& c) {
  TimerSetting setting;
  if (const int failed = user_setting(c.a[2], &setting); failed != 0) return failed;
  if ((c.a[1] & ~std::uint64_t{TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET}) != 0) return -EINVAL;
  const auto description = timerfd(c.a[0]);
  if (!description) return -description.error();
  const TimerSetting before = timer_of(*description).set(setting, (c.a[1] & TFD_TIMER_ABSTIME) != 0);
  return c.a[3] == 0 || put_user(c.a[3], to_itimerspec(before)) ? 0 : -EFAULT;
}

std::int64_t sys_timerfd_gettime(const Arguments& c) {
  const auto description = timerfd(c.a[0]);
  if (!description) return -description.error();
  return put_user(c.a[1], to_itimerspec(timer_of(*description).read_setting())) ? 0 : -EFAULT;
}

constexpr const char* kHostTime = "when it goes off: never before its time, or as late as it likes";

constexpr SyscallEntry kTable[] = {
    {SYS_getitimer, "getitimer", "which, value", sys_getitimer, ""},
    {SYS_alarm, "alarm", "seconds", sys_alarm, kHostTime},
    {SYS_setitimer, "setitimer", "which, new, old", sys_setitimer, kHostTime},
    {SYS_timer_create, "timer_create", "clock, event, timer", sys_timer_create, ""},
    {SYS_timer_settime, "timer_settime", "timer, flags, new, old", sys_timer_settime, kHostTime},
    {SYS_timer_gettime, "timer_gettime", "timer, value", sys_timer_gettime, ""},
    {SYS_timer_getoverrun, "timer_getoverrun", "timer", sys_timer_getoverrun, ""},
    {SYS_timer_delete, "timer_delete", "timer", sys_timer_delete, ""},
    {SYS_timerfd_create, "timerfd_create", "clock, flags", sys_timerfd_create, ""},
    {SYS_timerfd_settime, "timerfd_settime", "fd, flags, new, old", sys_timerfd_settime, kHostTime},
    {SYS_timerfd_gettime, "timerfd_gettime", "fd, value", sys_timerfd_gettime, ""},
};

}  // namespace

std::span<const SyscallEntry> timer_syscalls() { return kTable; }

}  // namespace coffer::kernel
