// The cell's system-call filter and sealing, each in a process of its own, because neither can be undone.
#include "processor/cell/lockdown.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <functional>

#include "processor/entry.h"
#include "processor/testing/test_enclave.h"

namespace coffer::cell {
namespace {

using processor::ExitKind;
using sgx::kPageSize;

constexpr int kMachineForbids = 77;

// Runs `work` in a child; its result is the exit status, as waitpid() gives it.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::_exit(work());
  }
  int status = -1;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

bool exited_with(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }
// The filter kills with SIGSYS.
bool killed_by_filter(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS; }

constexpr std::uint64_t kRange = std::uint64_t{1} << 20;

// `call` under the filter, in a child; an ELRANGE that holds nothing.
int under_filter(const std::function<int()>& call) {
  return in_child([&] {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return kMachineForbids;
    if (!install_filter(kRange, kRange)) return kMachineForbids;
    return call();
  });
}

class Filter : public ::testing::Test {
 protected:
  void SetUp() override {
    if (exited_with(under_filter([] { return 0; }), kMachineForbids)) {
      GTEST_SKIP() << "this machine lets no process install a seccomp filter";
    }
  }
};

TEST_F(Filter, LetsTheCellDoItsWork) {
  EXPECT_TRUE(exited_with(under_filter([] {
                            void* memory =
                                ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                            if (memory == MAP_FAILED || ::mprotect(memory, kPageSize, PROT_NONE) != 0) return 1;
                            if (::munmap(memory, kPageSize) != 0) return 2;
                            timespec now{};
                            ::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
                            ::sched_yield();
                            return ::getpid() > 0 ? 42 : 3;
                          }),
                          42));
}

// Files that it was given it may read, write and close; open none.
TEST_F(Filter, LetsTheCellUseFilesThatItWasGiven) {
  const int file = ::memfd_create("given", MFD_CLOEXEC);
  EXPECT_TRUE(exited_with(under_filter([file] {
                            char byte = 0;
                            if (::pwrite(file, "abc", 3, 5) != 3) return 1;
                            if (::pread(file, &byte, 1, 6) != 1 || byte != 'b') return 2;
                            return ::close(file) == 0 ? 42 : 3;
                          }),
                          42));
  ::close(file);
}

TEST_F(Filter, ForbiddenCallsKill) {
  const std::pair<const char*, std::function<long()>> kCalls[] = {
      {"open", [] { return ::syscall(SYS_open, "/dev/null", O_RDONLY); }},
      {"openat", [] { return ::syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY); }},
      {"read", [] { return ::syscall(SYS_read, 0, nullptr, 0); }},
      {"write", [] { return ::syscall(SYS_write, 1, nullptr, 0); }},
      {"execve", [] { return ::syscall(SYS_execve, "/bin/true", nullptr, nullptr); }},
      {"execveat", [] { return ::syscall(SYS_execveat, AT_FDCWD, "/bin/true", nullptr, nullptr, 0); }},
      {"fork", [] { return ::syscall(SYS_fork); }},
      {"socket", [] { return ::syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
      {"connect", [] { return ::syscall(SYS_connect, 3, nullptr, 0); }},
      {"ptrace", [] { return ::syscall(SYS_ptrace, 0, 0, 0, 0); }},
      {"process_vm_readv", [] { return ::syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0); }},
      {"kill", [] { return ::syscall(SYS_kill, 0, 0); }},
      {"prctl", [] { return ::syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }},
      {"pkey_mprotect", [] { return ::syscall(SYS_pkey_mprotect, nullptr, 0, PROT_EXEC, -1); }},
      {"personality", [] { return ::syscall(SYS_personality, 0x0400000); }},
      {"memfd_create", [] { return ::syscall(SYS_memfd_create, "x", 0); }},
      {"io_uring_setup", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"a number that does not exist", [] { return ::syscall(100000); }},
      {"the x32 form of an allowed call", [] { return ::syscall(0x40000000 + SYS_getpid); }},
  };
  for (const auto& [name, call] : kCalls) {
    EXPECT_TRUE(killed_by_filter(under_filter([&] { return call() == 0 ? 1 : 2; }))) << name;
  }
}

// A `syscall` traps wherever it stands in ELRANGE; the address behind one in the last two bytes is outside already.
TEST_F(Filter, ASystemCallInTheLastBytesOfTheRangeTraps) {
  const int status = in_child([] {
    auto* page = static_cast<std::uint8_t*>(::mmap(reinterpret_cast<void*>(2 * kRange - kPageSize), kPageSize,
                                                   PROT_READ | PROT_WRITE | PROT_EXEC,
                                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    if (page == MAP_FAILED) return kMachineForbids;
    constexpr std::uint8_t kGetpid[] = {0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05};
    std::uint8_t* code = page + kPageSize - sizeof(kGetpid);
    std::memcpy(code, kGetpid, sizeof(kGetpid));
    struct sigaction action{};
    action.sa_handler = [](int) { ::_exit(42); };
    ::sigaction(SIGSYS, &action, nullptr);
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !install_filter(kRange, kRange)) return kMachineForbids;
    reinterpret_cast<void (*)()>(code)();
    return 1;
  });
  if (exited_with(status, kMachineForbids)) GTEST_SKIP() << "no page at the end of the range on this machine";
  EXPECT_TRUE(exited_with(status, 42)) << status;
}

TEST_F(Filter, The32BitEntryIsClosed) {
  const int status = under_filter([] {
    long result = 20;  // getpid of the 32-bit table
    asm volatile("int $0x80" : "+a"(result)::"memory");
    return 1;
  });
  // A kernel without that entry answers with SIGSEGV, which closes it as well.
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
}

TEST_F(Filter, NothingBecomesExecutable) {
  EXPECT_TRUE(killed_by_filter(under_filter([] {
    (void)::mmap(nullptr, kPageSize, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return 1;
  })));
  EXPECT_TRUE(killed_by_filter(under_filter([] {
    void* memory = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ::mprotect(memory, kPageSize, PROT_READ | PROT_EXEC);
    return 1;
  })));
}

// The whole of it: an enclave in a locked process, whose `syscall` is #UD and whose exits and entries work.
TEST_F(Filter, ASystemCallOfTheEnclaveIsAnInvalidInstruction) {
  const int status = in_child([] {
    using namespace processor;
    namespace t = processor::testing;
    if (!install_traps(SyscallTrap::kSeccomp)) return 1;
    auto made = t::build();
    if (!made.last.ok()) return 2;
    t::set_patterns(made, 1);
    (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!install_filter(made->base(), made->size())) return 3;
    for (const long number : {SYS_getpid, SYS_openat, SYS_execve}) {  // allowed outside or not: #UD inside
      made.data<std::uint64_t>(TE_REGS_IN) = static_cast<std::uint64_t>(number);
      auto left = t::enter(made, {TE_CMD_PATTERN, TE_BODY_SYSCALL});
      if (left.outcome.kind != ExitKind::kException) return 4;
      sgx::GprArea& gpr = t::ssa_gpr(made);
      if ((gpr.exit_info & 0xff) != sgx::vector::kInvalidOpcode || left.outcome.exception.signal != SIGSYS) return 5;
      if (gpr.rip != made.address(t::fault_of(TE_BODY_SYSCALL).offset)) return 6;
      if (gpr.rax != static_cast<std::uint64_t>(number)) return 7;
      gpr.rip += 2;
      if (t::resume(made).outcome.kind != ExitKind::kExit) return 8;
    }
    std::uint32_t added = 0;
    if (!made->eaug(TE_HEAP, 2, &added).ok() || added != 2) return 9;  // growing needs no forbidden call
    made.data<sgx::Secinfo>(TE_OPERANDS) = {sgx::SecinfoFlags{0x200 | 3 | sgx::SecinfoFlags::kPending}, {}};
    const auto accepted = t::leaf(made, SGX_ENCLU_EACCEPT, made.address(TE_DATA + TE_OPERANDS), made.address(TE_HEAP));
    if (accepted.outcome.kind != ExitKind::kExit || accepted.out.rdi != 0) return 10;
    ::_exit(42);  // as a cell ends: taking the enclave apart would need calls that are forbidden now
  });
  EXPECT_TRUE(exited_with(status, 42)) << status;
}

TEST(Sealing, LeavesNoDescriptorNoDumpAndNoPrivileges) {
  const int status = in_child([] {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) return 1;
    for (int i = 0; i < 100; ++i) {
      if (::dup(ends[0]) < 0) return 1;
    }
    auto missing = seal_process(5);
    if (!missing) return missing.error().message.contains("debugger") ? kMachineForbids : 2;
    for (int fd = 0; fd < 1024; ++fd) {
      const bool open = ::fcntl(fd, F_GETFD) >= 0;
      if (open && (fd < 3 || fd >= 5)) return 3;
    }
    rlimit core{1, 1};
    ::getrlimit(RLIMIT_CORE, &core);
    if (core.rlim_cur != 0 || core.rlim_max != 0) return 4;
    if (::prctl(PR_GET_DUMPABLE) != 0) return 5;
    if (::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 6;
    return missing->empty() ? 42 : 7;
  });
  if (exited_with(status, kMachineForbids)) GTEST_SKIP() << "the tests run under a debugger";
  EXPECT_TRUE(exited_with(status, 42)) << status;
}

TEST(Sealing, LeavingNamespacesNeverFailsAndSaysWhatItCouldNot) {
  const int status = in_child([] {
    char before[64] = {};
    char after[64] = {};
    (void)::readlink("/proc/self/ns/net", before, sizeof(before) - 1);
    const auto missing = leave_namespaces();
    (void)::readlink("/proc/self/ns/net", after, sizeof(after) - 1);
    const bool left = std::strcmp(before, after) != 0;
    const bool said = std::ranges::any_of(missing, [](const auto& line) { return line.contains("namespaces"); });
    if (left == said) return 1;
    return ::prctl(PR_GET_DUMPABLE) == 0 ? 42 : 2;  // leaving may not bring it back
  });
  EXPECT_TRUE(exited_with(status, 42)) << status;
}

}  // namespace
}  // namespace coffer::cell
