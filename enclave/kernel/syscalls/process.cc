// System calls on the process and its threads: identity, limits, threads.
#include <asm/prctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "enclave/kernel/core/futex.h"
#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/support/crypto.h"
#include "enclave/kernel/syscalls/dispatch.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;

std::int64_t sys_zero(const Arguments&) { return 0; }
std::int64_t sys_process_id(const Arguments&) { return kProcessId; }
std::int64_t sys_thread_id(const Arguments&) { return current_thread().thread_id; }
// Known, asked for by every C library at start, and not there: no reason to complain.
std::int64_t sys_absent(const Arguments&) { return -ENOSYS; }

std::int64_t sys_exit(const Arguments&) { exit_thread(); }
std::int64_t sys_exit_group(const Arguments& c) { exit_process(static_cast<int>(c.a[0])); }

std::int64_t sys_arch_prctl(const Arguments& c) {
  switch (c.a[0]) {
    case ARCH_SET_FS:
      asm volatile("wrfsbase %0" ::"r"(c.a[1]));
      return 0;
    case ARCH_GET_FS: {
      std::uint64_t base = 0;
      asm volatile("rdfsbase %0" : "=r"(base));
      return put_user(c.a[1], base) ? 0 : -EFAULT;
    }
    default:
      return -EINVAL;  // GS is the kernel's; CET is not used
  }
}

std::int64_t sys_set_tid_address(const Arguments& c) {
  current_thread().clear_child_tid = c.a[0];
  return current_thread().thread_id;
}

std::int64_t sys_clone(const Arguments& c) {
  return clone_thread(*current_thread().frame,
                      {.flags = c.a[0], .stack = c.a[1], .parent_tid = c.a[2], .child_tid = c.a[3], .tls = c.a[4]});
}

std::int64_t sys_clone3(const Arguments& c) {
  struct {
    std::uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
  } request{};
  if (c.a[1] < sizeof(request)) return -EINVAL;
  if (!get_user(c.a[0], &request)) return -EFAULT;
  return clone_thread(*current_thread().frame, {.flags = request.flags,
                                                .stack = request.stack + request.stack_size,
                                                .parent_tid = request.parent_tid,
                                                .child_tid = request.child_tid,
                                                .tls = request.tls});
}

std::int64_t sys_futex(const Arguments& c) { return futex_call(c.a[0], c.a[1], c.a[2], c.a[3], c.a[4], c.a[5]); }

std::int64_t sys_getrandom(const Arguments& c) {
  const UserBytes out = user_bytes(c.a[0], c.a[1], true);
  if (!out.ok) return -EFAULT;
  random_bytes(out.bytes);
  return static_cast<std::int64_t>(c.a[1]);
}

std::int64_t sys_uname(const Arguments& c) {
  utsname name{};
  const auto set = [](char* field, std::string_view text) { std::memcpy(field, text.data(), text.size()); };
  set(name.sysname, "Linux");
  set(name.nodename, "enclave");
  set(name.release, fs::files().process.view.kernel_release);
  set(name.version, "#1 Coffer enclave kernel");
  set(name.machine, "x86_64");
  return put_user(c.a[0], name) ? 0 : -EFAULT;
}

std::int64_t sys_sysinfo(const Arguments& c) {
  const AddressSpace::Usage usage = address_space().usage();
  struct sysinfo info{};
  info.uptime = static_cast<long>(fs::monotonic_now_ns() / 1'000'000'000);
  info.totalram = layout().heap_limit;
  info.freeram = layout().heap_limit - std::min(usage.committed - usage.committed_free, layout().heap_limit);
  info.procs = static_cast<unsigned short>(live_threads());
  info.mem_unit = 1;
  return put_user(c.a[0], info) ? 0 : -EFAULT;
}

rlimit limit_of(std::uint64_t resource) {
  constexpr std::uint64_t kDescriptors = 1024;
  switch (resource) {
    case RLIMIT_STACK:
      return {layout().stack_size, layout().stack_size};
    case RLIMIT_NOFILE:
      return {kDescriptors, kDescriptors};
    case RLIMIT_NPROC:
      return {layout().thread_count - boundary::kServiceThreads, layout().thread_count - boundary::kServiceThreads};
    case RLIMIT_CORE:
      return {0, 0};
    default:
      return {RLIM_INFINITY, RLIM_INFINITY};
  }
}

std::int64_t sys_getrlimit(const Arguments& c) { return put_user(c.a[1], limit_of(c.a[0])) ? 0 : -EFAULT; }

// Limits are the image's: asking is answered, changing is accepted only where it changes nothing.
std::int64_t sys_prlimit(const Arguments& c) {
  if (c.a[0] != 0 && c.a[0] != kProcessId) return -ESRCH;
  const rlimit now = limit_of(c.a[1]);
  if (c.a[2] != 0) {
    rlimit wanted{};
    if (!get_user(c.a[2], &wanted)) return -EFAULT;
    if (wanted.rlim_cur > now.rlim_max || wanted.rlim_max > now.rlim_max) return -EPERM;
  }
  return c.a[3] == 0 || put_user(c.a[3], now) ? 0 : -EFAULT;
}

std::int64_t sys_getaffinity(const Arguments& c) {
  constexpr std::uint64_t kMask = 8;
  const std::uint64_t bytes = (cpu_count() + 63) / 64 * kMask;
  if (c.a[1] < bytes || c.a[1] % kMask != 0) return -EINVAL;
  const UserBytes out = user_bytes(c.a[2], bytes, true);
  if (!out.ok) return -EFAULT;
  std::memset(out.bytes.data(), 0, bytes);
  for (std::uint64_t cpu = 0; cpu < cpu_count(); ++cpu) {
    out.bytes[cpu / 8] |= static_cast<std::byte>(1U << cpu % 8);
  }
  return static_cast<std::int64_t>(bytes);
}

std::int64_t sys_getcpu(const Arguments& c) {
  const std::uint32_t zero = 0;  // the host decides where threads run and is not asked
  if (c.a[0] != 0 && !put_user(c.a[0], zero)) return -EFAULT;
  return c.a[1] == 0 || put_user(c.a[1], zero) ? 0 : -EFAULT;
}

// The options beside a thread's name: what changes nothing inside an enclave is accepted.
std::int64_t process_option(const Arguments& c) {
  const std::int32_t none = 0;
  switch (c.a[0]) {
    case PR_SET_PDEATHSIG:
    case PR_SET_NO_NEW_PRIVS:
    case PR_SET_TIMERSLACK:
    case PR_SET_DUMPABLE:
    case PR_SET_KEEPCAPS:
    case PR_SET_CHILD_SUBREAPER:
      return 0;
    case PR_GET_PDEATHSIG:
      return put_user(c.a[1], none) ? 0 : -EFAULT;
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_SECCOMP:
      return 0;
    case PR_GET_NO_NEW_PRIVS:
      return 1;
    case PR_GET_TIMERSLACK:
      return 50'000;
    default:
      return -EINVAL;
  }
}

std::int64_t sys_prctl(const Arguments& c) {
  constexpr std::uint64_t kSetName = 15;
  constexpr std::uint64_t kGetName = 16;
  constexpr std::uint64_t kNameSize = 16;
  ThreadControl& thread = current_thread();
  switch (c.a[0]) {
    case kGetName:
      return put_user(c.a[1], thread.name) ? 0 : -EFAULT;
    case kSetName:
      break;
    default:
      return process_option(c);
  }
  std::string_view name;
  if (const int failed = user_string(c.a[1], kNameSize * 64, &name); failed != 0) return failed;
  thread.name = {};
  std::memcpy(thread.name.data(), name.data(), std::min<std::size_t>(name.size(), kNameSize - 1));
  return 0;
}

constexpr SyscallEntry kTable[] = {
    {39, "getpid", "", sys_process_id, ""},
    {56, "clone", "flags, stack, parent_tid, child_tid, tls", sys_clone, "0, or any failure: EAGAIN"},
    {60, "exit", "status", sys_exit, ""},
    {63, "uname", "buf", sys_uname, ""},
    {97, "getrlimit", "resource, limit", sys_getrlimit, ""},
    {99, "sysinfo", "info", sys_sysinfo, "uptime: any time"},
    {157, "prctl", "option, a, b, c, d", sys_prctl, ""},
    {158, "arch_prctl", "code, addr", sys_arch_prctl, ""},
    {186, "gettid", "", sys_thread_id, ""},
    {202, "futex", "addr, op, value, timeout, addr2, value3", sys_futex, "wake-ups at any time"},
    {203, "sched_setaffinity", "pid, size, mask", sys_zero, ""},
    {204, "sched_getaffinity", "pid, size, mask", sys_getaffinity, "CPU count at start: 1 to 4096"},
    {218, "set_tid_address", "addr", sys_set_tid_address, ""},
    {231, "exit_group", "status", sys_exit_group, ""},
    {273, "set_robust_list", "head, size", sys_zero, ""},
    {302, "prlimit64", "pid, resource, new, old", sys_prlimit, ""},
    {309, "getcpu", "cpu, node, cache", sys_getcpu, ""},
    {318, "getrandom", "buf, size, flags", sys_getrandom, ""},
    {334, "rseq", "area, size, flags, signature", sys_absent, ""},
    {435, "clone3", "args, size", sys_clone3, "0, or any failure: EAGAIN"},
};

}  // namespace

std::span<const SyscallEntry> process_syscalls() { return kTable; }

}  // namespace coffer::kernel
