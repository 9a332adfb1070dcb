#include "processor/cell/lockdown.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>

#include "base/file.h"

namespace coffer::cell {

namespace {

bool is_traced() {
  FileDescriptor status(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (!status) return false;  // no /proc: nothing can be said
  std::array<char, 4096> text{};
  const ssize_t size = ::read(status.get(), text.data(), text.size() - 1);
  const char* line = size > 0 ? std::strstr(text.data(), "TracerPid:") : nullptr;
  if (line == nullptr) return false;
  line += std::strlen("TracerPid:");
  while (*line == '\t' || *line == ' ') ++line;
  return *line != '0';
}

// The calls of a running cell: memory of the enclave, threads, futexes, the control socket, files that it was given,
// signals, time, its end. None opens anything.
constexpr std::array kAllowed = {
    SYS_futex,
    SYS_pread64,  // of files that the host shares; which calls come first is what they cost
    SYS_pwrite64,
    SYS_close,
    SYS_rt_sigreturn,
    SYS_recvmsg,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_sendto,
    SYS_munmap,
    SYS_madvise,
    SYS_fallocate,
    SYS_brk,
    SYS_clone3,
    SYS_clone,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_sigaltstack,
    SYS_rt_sigprocmask,
    SYS_rt_sigaction,
    SYS_gettid,
    SYS_getpid,
    SYS_tgkill,
    SYS_sched_yield,
    SYS_clock_gettime,
    SYS_getrandom,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_mremap,
    SYS_sched_getaffinity,
    SYS_sched_setaffinity,
};

constexpr std::uint32_t kDataNumber = offsetof(seccomp_data, nr);
constexpr std::uint32_t kDataArch = offsetof(seccomp_data, arch);
constexpr std::uint32_t kDataIpLow = offsetof(seccomp_data, instruction_pointer);
constexpr std::uint32_t kDataIpHigh = offsetof(seccomp_data, instruction_pointer) + 4;
constexpr std::uint32_t kDataProtection = offsetof(seccomp_data, args) + 2 * 8;

sock_filter load(std::uint32_t offset) { return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset); }
sock_filter answer(std::uint32_t what) { return BPF_STMT(BPF_RET | BPF_K, what); }
sock_filter skip_unless_equal(std::uint32_t value, std::uint8_t skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

// Allows `numbers`, memory without execution, and nothing else. The number is loaded.
void append_rules(std::vector<sock_filter>& program, std::span<const int> numbers) {
  for (int number : numbers) {
    program.push_back(skip_unless_equal(static_cast<std::uint32_t>(number), 1));
    program.push_back(answer(SECCOMP_RET_ALLOW));
  }
  // Memory may be mapped and protected, but nothing becomes executable any more.
  for (long number : {SYS_mmap, SYS_mprotect}) {
    program.push_back(skip_unless_equal(static_cast<std::uint32_t>(number), 4));
    program.push_back(load(kDataProtection));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
    program.push_back(answer(SECCOMP_RET_ALLOW));
    program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
  }
  program.push_back(answer(SECCOMP_RET_KILL_PROCESS));
}

std::vector<sock_filter> make_program(std::uint64_t elrange, std::uint64_t size) {
  const std::uint64_t mask = ~(size - 1);
  const std::uint64_t end = elrange + size;
  std::vector<sock_filter> program = {
      load(kDataArch), skip_unless_equal(AUDIT_ARCH_X86_64, 1), BPF_STMT(BPF_JMP | BPF_JA, 1),
      answer(SECCOMP_RET_KILL_PROCESS),
      // The instruction pointer (just behind the instruction) inside ELRANGE: #UD for the enclave.
      load(kDataIpHigh), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, static_cast<std::uint32_t>(mask >> 32)),
      skip_unless_equal(static_cast<std::uint32_t>(elrange >> 32), 4), load(kDataIpLow),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, static_cast<std::uint32_t>(mask)),
      skip_unless_equal(static_cast<std::uint32_t>(elrange), 1), answer(SECCOMP_RET_TRAP),
      // Behind an instruction in the last two bytes of ELRANGE it is the first address that is not inside any more.
      load(kDataIpHigh), skip_unless_equal(static_cast<std::uint32_t>(end >> 32), 3), load(kDataIpLow),
      skip_unless_equal(static_cast<std::uint32_t>(end), 1), answer(SECCOMP_RET_TRAP), load(kDataNumber),
      // The number says x32 or is an unknown one: no entry of the list equals it.
  };
  append_rules(program, kAllowed);
  return program;
}

constexpr std::uint64_t kUnlimited = RLIM_INFINITY;

// Raises the locked-memory limit as far as the machine permits; what it is then.
std::uint64_t raise_locked_memory_limit() {
  rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) == 0) return kUnlimited;
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return 0;
  const rlimit raised{limit.rlim_max, limit.rlim_max};
  return ::setrlimit(RLIMIT_MEMLOCK, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
};

bool has_capability(unsigned capability) {
  Capabilities mine;
  return ::syscall(SYS_capget, &mine.header, mine.data.data()) == 0 &&
         (mine.data[capability / 32].effective >> (capability % 32) & 1) != 0;
}

// Gives up every other capability. One that stays by mistake is of no use: the filter permits no call that needs it.
void keep_only_capability(unsigned capability) {
  Capabilities kept;
  const std::uint32_t bit = 1U << (capability % 32);
  kept.data[capability / 32].effective = bit;
  kept.data[capability / 32].permitted = bit;
  (void)::syscall(SYS_capset, &kept.header, kept.data.data());
}

}  // namespace

Result<std::vector<std::string>> seal_process(int first_foreign) {
  std::vector<std::string> missing;
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) missing.emplace_back("the cell could not be made undumpable");
  if (is_traced()) return refused("a debugger is attached to the cell");
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) missing.emplace_back("the core-dump limit could not be set to zero");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("cannot give up new privileges", errno);
  if (::syscall(SYS_close_range, first_foreign, ~0U, 0) != 0) {
    for (int fd = first_foreign; fd < 65536; ++fd) ::close(fd);
  }
  for (int fd : {0, 1, 2}) ::close(fd);
  return missing;
}

std::vector<std::string> leave_namespaces() {
  std::vector<std::string> missing;
  constexpr int kNamespaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  const std::uint64_t locked = raise_locked_memory_limit();
  // In a user namespace of its own the cell would lose CAP_IPC_LOCK. Where that is what secret memory rests on, memory
  // goes before namespaces: the filter keeps the cell from the network anyway.
  const bool keep_user_namespace = locked != kUnlimited && has_capability(CAP_IPC_LOCK);
  const bool left =
      (!keep_user_namespace && ::unshare(CLONE_NEWUSER | kNamespaces) == 0) || ::unshare(kNamespaces) == 0;
  if (!left) {
    missing.emplace_back(
        "namespaces are not permitted here: the cell shares the host's network and IPC namespaces "
        "(its system-call filter lets it use neither)");
  }
  if (keep_user_namespace) {
    keep_only_capability(CAP_IPC_LOCK);
  } else if (locked != kUnlimited) {
    missing.push_back(
        "the hard locked-memory limit (ulimit -Hl) of " + std::to_string(locked / 1024) +
        " KiB bounds memfd_secret: enclave pages beyond it stand in ordinary memory, which root can read; raise it "
        "(memlock in /etc/security/limits.conf, then log in again) or grant CAP_IPC_LOCK");
  }
  // A change of credentials can bring back what seal_process() took away.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) missing.emplace_back("the cell could not be made undumpable");
  return missing;
}

[[nodiscard]] static Result<void> install_program(std::vector<sock_filter> program) {
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) {
    return system_error("cannot install the system-call filter that the cell needs", errno);
  }
  return {};
}

Result<void> install_filter(std::uint64_t elrange, std::uint64_t size) {
  return install_program(make_program(elrange, size));
}

Result<void> install_vault_filter() {
  constexpr std::array kVaultCalls = {SYS_recvfrom, SYS_sendto, SYS_brk, SYS_munmap, SYS_futex, SYS_getpid,
                                      SYS_getrandom, SYS_exit, SYS_exit_group, SYS_rt_sigprocmask,
                                      // the file of the counters
                                      SYS_pread64, SYS_pwrite64, SYS_fdatasync, SYS_fsync, SYS_flock};
  std::vector<sock_filter> program = {load(kDataArch), skip_unless_equal(AUDIT_ARCH_X86_64, 1),
                                      BPF_STMT(BPF_JMP | BPF_JA, 1), answer(SECCOMP_RET_KILL_PROCESS),
                                      load(kDataNumber)};
  append_rules(program, kVaultCalls);
  return install_program(std::move(program));
}

}  // namespace coffer::cell
