// System calls on who the process is, how it is scheduled and what it may do: fixed answers, as a lone unprivileged
// process would see them, and clean refusals of what an enclave has not.
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/threads.h"
#include "enclave/kernel/fs/files.h"
#include "enclave/kernel/syscalls/syscall.h"

namespace coffer::kernel {

namespace {

using Arguments = SyscallArguments;

std::int64_t sys_nothing(const Arguments&) { return 0; }
std::int64_t sys_not_permitted(const Arguments&) { return -EPERM; }
std::int64_t sys_no_child(const Arguments&) { return -ECHILD; }
// One enclave is one process that runs one program.
std::int64_t sys_no_process(const Arguments&) { return -ENOSYS; }

std::int64_t sys_user(const Arguments&) { return fs::kFileOwner; }
std::int64_t sys_group(const Arguments&) { return fs::kFileGroup; }
std::int64_t sys_process_id(const Arguments&) { return kProcessId; }

// Where every id that is asked for is the one that it has already.
std::int64_t only_own(const Arguments& c, int count, std::uint32_t own) {
  for (int i = 0; i < count; ++i) {
    const auto id = static_cast<std::uint32_t>(c.a[i]);
    if (id != own && id != ~std::uint32_t{0}) return -EPERM;
  }
  return 0;
}
std::int64_t sys_set_user(const Arguments& c) { return only_own(c, 1, fs::kFileOwner); }
std::int64_t sys_set_group(const Arguments& c) { return only_own(c, 1, fs::kFileGroup); }
std::int64_t sys_set_two_users(const Arguments& c) { return only_own(c, 2, fs::kFileOwner); }
std::int64_t sys_set_two_groups(const Arguments& c) { return only_own(c, 2, fs::kFileGroup); }
std::int64_t sys_set_three_users(const Arguments& c) { return only_own(c, 3, fs::kFileOwner); }
std::int64_t sys_set_three_groups(const Arguments& c) { return only_own(c, 3, fs::kFileGroup); }

std::int64_t put_three(const Arguments& c, std::uint32_t id) {
  for (int i = 0; i < 3; ++i) {
    if (!put_user(c.a[i], id)) return -EFAULT;
  }
  return 0;
}
std::int64_t sys_getresuid(const Arguments& c) { return put_three(c, fs::kFileOwner); }
std::int64_t sys_getresgid(const Arguments& c) { return put_three(c, fs::kFileGroup); }

std::int64_t sys_getgroups(const Arguments& c) {
  const std::uint32_t group = fs::kFileGroup;
  if (static_cast<std::int32_t>(c.a[0]) < 0) return -EINVAL;
  if (c.a[0] == 0) return 1;
  return put_user(c.a[1], group) ? 1 : -EFAULT;
}

std::int64_t sys_getpgid(const Arguments& c) { return c.a[0] == 0 || c.a[0] == kProcessId ? kProcessId : -ESRCH; }

// No capability at all.
std::int64_t sys_capget(const Arguments& c) {
  constexpr std::uint32_t kVersion3 = 0x20080522;
  struct {
    std::uint32_t version, pid;
  } header{};
  if (!get_user(c.a[0], &header)) return -EFAULT;
  if (header.version != kVersion3) {
    header.version = kVersion3;
    return put_user(c.a[0], header) ? (c.a[1] == 0 ? 0 : -EINVAL) : -EFAULT;
  }
  const std::uint32_t none[6] = {};
  return c.a[1] == 0 || put_user(c.a[1], none) ? 0 : -EFAULT;
}

// The personality of Linux, which cannot be changed.
std::int64_t sys_personality(const Arguments& c) {
  const auto wanted = static_cast<std::uint32_t>(c.a[0]);
  return wanted == 0xffffffff || wanted == 0 ? 0 : -EINVAL;
}

// --- scheduling: the host's, whatever is asked for

bool is_own(std::uint64_t id) {
  if (id == 0 || id == kProcessId) return true;
  for (std::uint32_t i = 0; i < layout().thread_count; ++i) {
    if (thread_block(i).thread_id == id) return true;
  }
  return false;
}

bool is_ordinary(std::uint64_t policy) {
  return policy == SCHED_OTHER || policy == SCHED_BATCH || policy == SCHED_IDLE;
}
bool is_policy(std::uint64_t policy) { return is_ordinary(policy) || policy == SCHED_FIFO || policy == SCHED_RR; }

std::int64_t sys_getscheduler(const Arguments& c) { return is_own(c.a[0]) ? SCHED_OTHER : -ESRCH; }

std::int64_t sys_setscheduler(const Arguments& c) {
  sched_param parameter{};
  if (!is_own(c.a[0])) return -ESRCH;
  if (!get_user(c.a[2], &parameter)) return -EFAULT;
  constexpr std::uint64_t kResetOnFork = 0x40000000;
  const std::uint64_t policy = c.a[1] & ~kResetOnFork;
  if (!is_policy(policy)) return -EINVAL;
  if (!is_ordinary(policy)) return -EPERM;
  return parameter.sched_priority == 0 ? 0 : -EINVAL;
}

std::int64_t sys_sched_getparam(const Arguments& c) {
  if (!is_own(c.a[0])) return -ESRCH;
  return put_user(c.a[1], sched_param{}) ? 0 : -EFAULT;
}
std::int64_t sys_sched_setparam(const Arguments& c) {
  sched_param parameter{};
  if (!is_own(c.a[0])) return -ESRCH;
  if (!get_user(c.a[1], &parameter)) return -EFAULT;
  return parameter.sched_priority == 0 ? 0 : -EINVAL;
}

std::int64_t sys_priority_max(const Arguments& c) {
  constexpr std::int64_t kMost = 99;
  if (!is_policy(c.a[0])) return -EINVAL;
  return is_ordinary(c.a[0]) ? 0 : kMost;
}
std::int64_t sys_priority_min(const Arguments& c) {
  if (!is_policy(c.a[0])) return -EINVAL;
  return is_ordinary(c.a[0]) ? 0 : 1;
}

std::int64_t sys_rr_get_interval(const Arguments& c) {
  if (!is_own(c.a[0])) return -ESRCH;
  return put_user(c.a[1], timespec{0, 4'000'000}) ? 0 : -EFAULT;
}

std::int64_t sys_getpriority(const Arguments& c) {
  constexpr std::int64_t kNiceZero = 20;  // the system call answers 20 - nice
  if (c.a[0] > PRIO_USER) return -EINVAL;
  return c.a[0] == PRIO_USER || is_own(c.a[1]) ? kNiceZero : -ESRCH;
}
std::int64_t sys_setpriority(const Arguments& c) {
  if (c.a[0] > PRIO_USER) return -EINVAL;
  if (c.a[0] != PRIO_USER && !is_own(c.a[1])) return -ESRCH;
  return static_cast<std::int32_t>(c.a[2]) >= 0 ? 0 : -EACCES;
}

// No thread is in the enclave that has not passed a barrier after each of these; the query says that none are offered.
std::int64_t sys_membarrier(const Arguments& c) { return c.a[0] == 0 ? 0 : -EINVAL; }

constexpr SyscallEntry kTable[] = {
    {SYS_fork, "fork", "", sys_no_process, ""},
    {SYS_vfork, "vfork", "", sys_no_process, ""},
    {SYS_execve, "execve", "path, argv, envp", sys_no_process, ""},
    {SYS_wait4, "wait4", "pid, status, options, usage", sys_no_child, ""},
    {SYS_ptrace, "ptrace", "request, pid, addr, data", sys_not_permitted, ""},
    {SYS_getuid, "getuid", "", sys_user, ""},
    {SYS_getgid, "getgid", "", sys_group, ""},
    {SYS_setuid, "setuid", "uid", sys_set_user, ""},
    {SYS_setgid, "setgid", "gid", sys_set_group, ""},
    {SYS_geteuid, "geteuid", "", sys_user, ""},
    {SYS_getegid, "getegid", "", sys_group, ""},
    {SYS_setpgid, "setpgid", "pid, pgid", sys_nothing, ""},
    {SYS_getppid, "getppid", "", sys_nothing, ""},
    {SYS_getpgrp, "getpgrp", "", sys_process_id, ""},
    {SYS_setsid, "setsid", "", sys_not_permitted, ""},
    {SYS_setreuid, "setreuid", "ruid, euid", sys_set_two_users, ""},
    {SYS_setregid, "setregid", "rgid, egid", sys_set_two_groups, ""},
    {SYS_getgroups, "getgroups", "size, list", sys_getgroups, ""},
    {SYS_setgroups, "setgroups", "size, list", sys_not_permitted, ""},
    {SYS_setresuid, "setresuid", "ruid, euid, suid", sys_set_three_users, ""},
    {SYS_getresuid, "getresuid", "ruid, euid, suid", sys_getresuid, ""},
    {SYS_setresgid, "setresgid", "rgid, egid, sgid", sys_set_three_groups, ""},
    {SYS_getresgid, "getresgid", "rgid, egid, sgid", sys_getresgid, ""},
    {SYS_getpgid, "getpgid", "pid", sys_getpgid, ""},
    {SYS_setfsuid, "setfsuid", "uid", sys_user, ""},
    {SYS_setfsgid, "setfsgid", "gid", sys_group, ""},
    {SYS_getsid, "getsid", "pid", sys_getpgid, ""},
    {SYS_capget, "capget", "header, data", sys_capget, ""},
    {SYS_capset, "capset", "header, data", sys_not_permitted, ""},
    {SYS_personality, "personality", "persona", sys_personality, ""},
    {SYS_getpriority, "getpriority", "which, who", sys_getpriority, ""},
    {SYS_setpriority, "setpriority", "which, who, nice", sys_setpriority, ""},
    {SYS_sched_setparam, "sched_setparam", "pid, param", sys_sched_setparam, ""},
    {SYS_sched_getparam, "sched_getparam", "pid, param", sys_sched_getparam, ""},
    {SYS_sched_setscheduler, "sched_setscheduler", "pid, policy, param", sys_setscheduler, ""},
    {SYS_sched_getscheduler, "sched_getscheduler", "pid", sys_getscheduler, ""},
    {SYS_sched_get_priority_max, "sched_get_priority_max", "policy", sys_priority_max, ""},
    {SYS_sched_get_priority_min, "sched_get_priority_min", "policy", sys_priority_min, ""},
    {SYS_sched_rr_get_interval, "sched_rr_get_interval", "pid, interval", sys_rr_get_interval, ""},
    {SYS_adjtimex, "adjtimex", "buf", sys_not_permitted, ""},
    {SYS_chroot, "chroot", "path", sys_not_permitted, ""},
    {SYS_settimeofday, "settimeofday", "tv, tz", sys_not_permitted, ""},
    {SYS_mount, "mount", "source, target, type, flags, data", sys_not_permitted, ""},
    {SYS_umount2, "umount2", "target, flags", sys_not_permitted, ""},
    {SYS_reboot, "reboot", "magic, magic2, cmd, arg", sys_not_permitted, ""},
    {SYS_sethostname, "sethostname", "name, size", sys_not_permitted, ""},
    {SYS_setdomainname, "setdomainname", "name, size", sys_not_permitted, ""},
    {SYS_clock_settime, "clock_settime", "clock, time", sys_not_permitted, ""},
    {SYS_waitid, "waitid", "type, id, info, options, usage", sys_no_child, ""},
    {SYS_unshare, "unshare", "flags", sys_not_permitted, ""},
    {SYS_setns, "setns", "fd, type", sys_not_permitted, ""},
    {SYS_execveat, "execveat", "dirfd, path, argv, envp, flags", sys_no_process, ""},
    {SYS_membarrier, "membarrier", "cmd, flags, cpu", sys_membarrier, ""},
};

}  // namespace

std::span<const SyscallEntry> identity_syscalls() { return kTable; }

}  // namespace coffer::kernel
