// System calls on signals. signals/ does what they say.
#include <fcntl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/signals/delivery.h"
#include "enclave/kernel/signals/files.h"
#include "enclave/kernel/signals/pending.h"
#include "enclave/kernel/signals/timers.h"
#include "enclave/kernel/signals/trap_info.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;
using signals::bit_of;
using signals::Disposition;

constexpr std::uint64_t kSetSize = sizeof(std::uint64_t);

bool is_signal(std::uint64_t number) { return number >= 1 && number <= signals::kLastSignal; }

constexpr std::uint64_t host_signals() {
  std::uint64_t set = 0;
  for (int signal : boundary::kHostSignals) set |= bit_of(signal);
  return set;
}

// From the moment that the program shows interest in a signal that the host may raise, the host's come in.
void take_interest(std::uint64_t set) {
  // The C library blocks all, its own two as well, for a moment when it makes a thread: no interest.
  constexpr std::uint64_t kLibrarys = bit_of(32) | bit_of(33);
  if ((set & host_signals()) != 0 && (set & kLibrarys) != kLibrarys) signals::start_service();
}

std::int64_t sys_sigaction(const Arguments& c) {
  if (!is_signal(c.a[0]) || c.a[3] != kSetSize) return -EINVAL;
  const int signal = static_cast<int>(c.a[0]);
  Disposition next;
  if (c.a[1] != 0 && !get_user(c.a[1], &next)) return -EFAULT;
  if (c.a[1] != 0 && (bit_of(signal) & signals::kUnstoppable) != 0) return -EINVAL;
  const Disposition before = signals::disposition_of(signal);
  if (c.a[1] != 0) {
    signals::set_disposition(signal, next);
    if (next.handler != signals::kDefault) take_interest(bit_of(signal));
  }
  return c.a[2] == 0 || put_user(c.a[2], before) ? 0 : -EFAULT;
}

std::int64_t sys_sigprocmask(const Arguments& c) {
  if (c.a[3] != kSetSize) return -EINVAL;
  ThreadControl& thread = current_thread();
  const std::uint64_t before = thread.signal_mask.load();
  if (c.a[1] != 0) {
    std::uint64_t set = 0;
    if (!get_user(c.a[1], &set)) return -EFAULT;
    switch (c.a[0]) {
      case SIG_BLOCK:
        signals::set_mask(thread, before | set);
        take_interest(set);
        break;
      case SIG_UNBLOCK:
        signals::set_mask(thread, before & ~set);
        break;
      case SIG_SETMASK:
        signals::set_mask(thread, set);
        take_interest(set);
        break;
      default:
        return -EINVAL;
    }
  }
  return c.a[2] == 0 || put_user(c.a[2], before) ? 0 : -EFAULT;
}

std::int64_t sys_sigpending(const Arguments& c) {
  if (c.a[1] > kSetSize) return -EINVAL;
  const ThreadControl& thread = current_thread();
  return put_user(c.a[0], signals::pending_for(thread) & thread.signal_mask.load()) ? 0 : -EFAULT;
}

[[noreturn]] std::int64_t sys_sigreturn(const Arguments&) { signals::return_from_handler(*current_thread().frame); }

std::int64_t sys_sigaltstack(const Arguments& c) {
  ThreadControl& thread = current_thread();
  const AlternateStack& now = thread.alternate_stack;
  const std::uint64_t rsp = thread.frame->rsp;
  const bool on_it = now.size != 0 && rsp > now.begin && rsp - now.begin <= now.size;
  stack_t before{};
  before.ss_sp = reinterpret_cast<void*>(now.begin);
  before.ss_size = now.size;
  before.ss_flags = (now.size == 0 ? SS_DISABLE : on_it ? SS_ONSTACK : 0) | static_cast<int>(now.flags);
  if (c.a[0] != 0) {
    stack_t next{};
    if (!get_user(c.a[0], &next)) return -EFAULT;
    if (on_it) return -EPERM;
    const auto flags = static_cast<std::uint32_t>(next.ss_flags);
    const std::uint32_t mode = flags & ~signals::SS_AUTODISARM_FLAG;
    if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE) return -EINVAL;
    if (mode == SS_DISABLE) {
      thread.alternate_stack = {};
    } else if (next.ss_size < signals::kLeastAlternateStack) {
      return -ENOMEM;
    } else {
      thread.alternate_stack = {reinterpret_cast<std::uint64_t>(next.ss_sp), next.ss_size,
                                flags & signals::SS_AUTODISARM_FLAG};
    }
  }
  return c.a[1] == 0 || put_user(c.a[1], before) ? 0 : -EFAULT;
}

// --- waiting

// Sleeps until a signal has to be delivered: the call that waits answers EINTR then.
std::int64_t sleep_for_signal() {
  while (!signals::interrupted()) park(boundary::kNoTimeout);
  return -EINTR;
}

std::int64_t sys_pause(const Arguments&) { return sleep_for_signal(); }

std::int64_t sys_sigsuspend(const Arguments& c) {
  std::uint64_t mask = 0;
  if (c.a[1] != kSetSize) return -EINVAL;
  if (!get_user(c.a[0], &mask)) return -EFAULT;
  ThreadControl& thread = current_thread();
  thread.mask_to_restore = thread.signal_mask.load();
  thread.restore_mask = true;
  signals::set_mask(thread, mask);
  return sleep_for_signal();
}

std::int64_t sys_sigtimedwait(const Arguments& c) {
  std::uint64_t set = 0;
  timespec timeout{};
  if (c.a[3] != kSetSize) return -EINVAL;
  if (!get_user(c.a[0], &set) || (c.a[2] != 0 && !get_user(c.a[2], &timeout))) return -EFAULT;
  constexpr std::uint64_t kSecond = 1'000'000'000;
  constexpr time_t kLongest = 1'000'000'000;
  if (timeout.tv_sec < 0 || timeout.tv_nsec < 0 || timeout.tv_nsec >= static_cast<long>(kSecond)) return -EINVAL;
  const std::uint64_t span = static_cast<std::uint64_t>(std::min(timeout.tv_sec, kLongest)) * kSecond +
                             static_cast<std::uint64_t>(timeout.tv_nsec);
  const bool endless = c.a[2] == 0;
  const std::uint64_t deadline = endless ? 0 : fs::monotonic_now_ns() + span;
  set &= ~signals::kUnstoppable;
  take_interest(set);
  ThreadControl& thread = current_thread();
  siginfo_t info{};
  std::int64_t result = 0;
  signals::set_waiting(set);
  while (result == 0) {
    const std::uint64_t now = endless ? 0 : fs::monotonic_now_ns();
    if (signals::take(thread, set, &info)) {
      result = info.si_signo;
    } else if (signals::interrupted()) {
      result = -EINTR;
    } else if (!endless && now >= deadline) {
      result = -EAGAIN;
    } else {
      park(endless ? boundary::kNoTimeout : deadline - now);
    }
  }
  signals::set_waiting(0);
  if (result > 0 && c.a[1] != 0 && !put_user(c.a[1], info)) return -EFAULT;
  return result;
}

// --- raising

siginfo_t info_from_self(int signal, int code) {
  siginfo_t info{};
  info.si_signo = signal;
  info.si_code = code;
  info.si_pid = kProcessId;
  info.si_uid = fs::kFileOwner;
  return info;
}

ThreadControl* thread_of(std::uint64_t id) {
  for (std::uint32_t i = 0; i < layout().thread_count && id != 0; ++i) {
    ThreadControl& thread = thread_block(i);
    if (thread.thread_id == id && thread.state.load() != ThreadState::kFree) return &thread;
  }
  return nullptr;
}

// There is one process: its own id, 0 and its own group name it, -1 names every other.
bool is_own_process(std::uint64_t id) {
  const auto pid = static_cast<std::int32_t>(id);
  return pid == 0 || pid == static_cast<std::int32_t>(kProcessId) || pid == -static_cast<std::int32_t>(kProcessId);
}

std::int64_t sys_kill(const Arguments& c) {
  if (!is_own_process(c.a[0])) return -ESRCH;
  if (c.a[1] == 0) return 0;
  if (!is_signal(c.a[1])) return -EINVAL;
  return -signals::send_to_process(info_from_self(static_cast<int>(c.a[1]), SI_USER));
}

std::int64_t send_to(std::uint64_t thread_id, std::uint64_t signal, const siginfo_t& info) {
  ThreadControl* thread = thread_of(static_cast<std::uint32_t>(thread_id));
  if (thread == nullptr) return -ESRCH;
  if (signal == 0) return 0;
  return is_signal(signal) ? -signals::send_to_thread(*thread, info) : -EINVAL;
}

std::int64_t sys_tkill(const Arguments& c) {
  return send_to(c.a[0], c.a[1], info_from_self(static_cast<int>(c.a[1]), SI_TKILL));
}
std::int64_t sys_tgkill(const Arguments& c) {
  if (c.a[0] != kProcessId) return -ESRCH;
  return send_to(c.a[1], c.a[2], info_from_self(static_cast<int>(c.a[2]), SI_TKILL));
}

std::int64_t sys_sigqueueinfo(const Arguments& c) {
  siginfo_t info{};
  if (!get_user(c.a[2], &info)) return -EFAULT;
  if (!is_own_process(c.a[0])) return -ESRCH;
  if (c.a[1] == 0) return 0;
  if (!is_signal(c.a[1])) return -EINVAL;
  info.si_signo = static_cast<int>(c.a[1]);
  return -signals::send_to_process(info);
}

std::int64_t sys_tgsigqueueinfo(const Arguments& c) {
  siginfo_t info{};
  if (!get_user(c.a[3], &info)) return -EFAULT;
  if (c.a[0] != kProcessId) return -ESRCH;
  info.si_signo = static_cast<int>(c.a[2]);
  return send_to(c.a[1], c.a[2], info);
}

// --- signalfd

std::int64_t make_signalfd(const Arguments& c, int flags) {
  std::uint64_t set = 0;
  if (c.a[2] != kSetSize || (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) != 0) return -EINVAL;
  if (!get_user(c.a[1], &set)) return -EFAULT;
  set &= ~signals::kUnstoppable;
  auto& table = fs::files().descriptors;
  take_interest(set);
  if (static_cast<std::int32_t>(c.a[0]) != -1) {
    const auto description = table.get(static_cast<int>(c.a[0]));
    if (!description) return -EBADF;
    if ((*description)->path() != "anon_inode:[signalfd]") return -EINVAL;
    static_cast<signals::SignalFile&>((*description)->file()).set(set);
    return static_cast<std::int32_t>(c.a[0]);
  }
  fs::Ref<fs::Description> description(new fs::Description(
      signals::make_signal_file(set), O_RDONLY | (flags & SFD_NONBLOCK), "anon_inode:[signalfd]", nullptr, 0));
  const auto number = table.add(std::move(description), (flags & SFD_CLOEXEC) != 0);
  return number ? *number : -number.error();
}
std::int64_t sys_signalfd(const Arguments& c) { return make_signalfd(c, 0); }
std::int64_t sys_signalfd4(const Arguments& c) { return make_signalfd(c, static_cast<int>(c.a[3])); }

constexpr const char* kHostSignal = "one of the eight signals that a host may raise, at any time";

constexpr SyscallEntry kTable[] = {
    {SYS_rt_sigaction, "rt_sigaction", "signal, action, old, size", sys_sigaction, kHostSignal},
    {SYS_rt_sigprocmask, "rt_sigprocmask", "how, set, old, size", sys_sigprocmask, ""},
    {SYS_rt_sigreturn, "rt_sigreturn", "", sys_sigreturn, ""},
    {SYS_pause, "pause", "", sys_pause, kHostSignal},
    {SYS_kill, "kill", "pid, signal", sys_kill, ""},
    {SYS_rt_sigpending, "rt_sigpending", "set, size", sys_sigpending, kHostSignal},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", "set, info, timeout, size", sys_sigtimedwait, kHostSignal},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", "pid, signal, info", sys_sigqueueinfo, ""},
    {SYS_rt_sigsuspend, "rt_sigsuspend", "mask, size", sys_sigsuspend, kHostSignal},
    {SYS_sigaltstack, "sigaltstack", "stack, old", sys_sigaltstack, ""},
    {SYS_tkill, "tkill", "tid, signal", sys_tkill, ""},
    {SYS_tgkill, "tgkill", "pid, tid, signal", sys_tgkill, ""},
    {SYS_signalfd, "signalfd", "fd, mask, size", sys_signalfd, kHostSignal},
    {SYS_signalfd4, "signalfd4", "fd, mask, size, flags", sys_signalfd4, kHostSignal},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", "pid, tid, signal, info", sys_tgsigqueueinfo, ""},
};

}  // namespace

std::span<const SyscallEntry> signal_syscalls() { return kTable; }

}  // namespace coffer::kernel
