#include "host/doctor/machine.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/file.h"
#include "base/local_socket.h"
#include "host/hardware/driver.h"
#include "host/hardware/vdso.h"
#include "processor/launch/launch.h"

namespace coffer::doctor {
namespace {

// Not in every libc's headers.
constexpr long kMemfdSecret = 447;
constexpr int kSetSyscallUserDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
constexpr unsigned long kDispatchOff = 0;    // PR_SYS_DISPATCH_OFF
constexpr unsigned long kHwcap2Fsgsbase = 1u << 1;

struct CpuidRegisters {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

CpuidRegisters cpuid(unsigned leaf, unsigned subleaf = 0) {
  CpuidRegisters registers;
  if (__get_cpuid_count(leaf, subleaf, &registers.eax, &registers.ebx, &registers.ecx, &registers.edx) == 0) return {};
  return registers;
}

bool bit(unsigned value, unsigned index) { return ((value >> index) & 1) != 0; }

// The register that says which vector state the operating system saves.
std::uint64_t extended_control_register() {
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

std::string cpu_model() {
  std::array<char, 49> name{};
  for (unsigned i = 0; i < 3; ++i) {
    const CpuidRegisters part = cpuid(0x80000002 + i);
    std::memcpy(name.data() + 16 * i, &part, 16);
  }
  const std::string text(name.data());
  const auto first = text.find_first_not_of(' ');
  return first == std::string::npos ? "unknown" : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

void probe_cpu(MachineFacts& facts) {
  facts.cpu_model = cpu_model();
  const CpuidRegisters basic = cpuid(1), extended = cpuid(7);
  facts.aes = bit(basic.ecx, 25);
  facts.pclmul = bit(basic.ecx, 1);
  facts.rdrand = bit(basic.ecx, 30);
  facts.xsave = bit(basic.ecx, 27);
  facts.sha = bit(extended.ebx, 29);
  facts.rdseed = bit(extended.ebx, 18);
  facts.cpu_has_sgx = bit(extended.ebx, 2);
  constexpr unsigned kSgxLeaf = 0x12;
  facts.cpu_has_sgx2 = facts.cpu_has_sgx && bit(cpuid(kSgxLeaf).eax, 1);
  if (facts.xsave) {
    const std::uint64_t saved = extended_control_register();
    facts.avx2 = bit(extended.ebx, 5) && (saved & 0x6) == 0x6;
    facts.avx512 = bit(extended.ebx, 16) && (saved & 0xe6) == 0xe6;
  }
  // CPUID has the instructions; this flag says that the kernel lets programs use them.
  facts.fsgsbase = (getauxval(AT_HWCAP2) & kHwcap2Fsgsbase) != 0;
}

// Runs `attempt` in a child, since what it does cannot be undone; its errno comes back as the exit status.
template <class Attempt>
Trial try_in_child(Attempt attempt) {
  const pid_t child = fork();
  if (child < 0) return {false, errno};
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    _exit(attempt());
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return {false, errno};
  }
  if (!WIFEXITED(status)) return {false, EPERM};
  return {WEXITSTATUS(status) == 0, WEXITSTATUS(status)};
}

Trial try_secret_memory() {
  const FileDescriptor file(static_cast<int>(syscall(kMemfdSecret, O_CLOEXEC)));
  if (!file) return {false, errno};
  const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (ftruncate(file.get(), static_cast<off_t>(size)) != 0) return {false, errno};
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (page == MAP_FAILED) return {false, errno};
  *static_cast<volatile char*>(page) = 1;
  munmap(page, size);
  return {true, 0};
}

Trial try_seccomp_trap() {
  const std::uint32_t action = SECCOMP_RET_TRAP;
  if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0) return {false, errno};
  return try_in_child([] {
    sock_filter allow[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    const sock_fprog program{1, allow};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : errno;
  });
}

Trial try_syscall_user_dispatch() {
  // Turning it off where it is off: refused only by kernels that do not know it.
  if (prctl(kSetSyscallUserDispatch, kDispatchOff, 0, 0, 0) != 0) return {false, errno};
  return {true, 0};
}

Trial try_user_namespaces() {
  return try_in_child([] { return unshare(CLONE_NEWUSER) == 0 ? 0 : errno; });
}

Trial try_open(const char* device) {
  const FileDescriptor file(open(device, O_RDWR | O_CLOEXEC));
  return file ? Trial{true, 0} : Trial{false, errno};
}

Trial try_sgx(MachineFacts& facts) {
  const FileDescriptor device(open(host::hardware::kDevice, O_RDWR | O_CLOEXEC));
  if (!device) return {false, errno};
  struct stat status{};
  facts.sgx_is_emulated = fstat(device.get(), &status) == 0 && !S_ISCHR(status.st_mode);
  return {true, 0};
}

Trial try_connect(const std::string& path) {
  const Connected connected = connect_to(path, SocketKind::kPackets);
  return {static_cast<bool>(connected.socket), connected.error};
}

bool has_capability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (syscall(SYS_capget, &header, data) != 0) return false;
  return bit(data[capability / 32].effective, capability % 32);
}

int read_ptrace_scope() {
  std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
  int scope = -1;
  return file >> scope ? scope : -1;
}

}  // namespace

MachineFacts probe_machine() {
  MachineFacts facts;
  utsname system{};
  if (uname(&system) == 0) {
    facts.kernel_release = system.release;
    facts.is_x86_64 = std::string_view(system.machine) == "x86_64";
  }
  probe_cpu(facts);

  facts.secret_memory = try_secret_memory();
  facts.may_lock_any_amount = has_capability(CAP_IPC_LOCK) || has_capability(CAP_SYS_RESOURCE);
  facts.may_trace = has_capability(CAP_SYS_PTRACE);
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
    facts.locked_memory_limit = limit.rlim_max == RLIM_INFINITY ? ~std::uint64_t{0} : limit.rlim_max;
  }
  facts.seccomp_trap = try_seccomp_trap();
  facts.syscall_user_dispatch = try_syscall_user_dispatch();
  facts.user_namespaces = try_user_namespaces();
  facts.ptrace_scope = read_ptrace_scope();
  facts.kvm = try_open("/dev/kvm");
  facts.sgx_enclave = try_sgx(facts);
  facts.sgx_enter_exists = host::hardware::find_enter_function() != nullptr;
  facts.daemon_socket = processor::daemon_socket();
  if (!facts.daemon_socket.empty()) facts.daemon = try_connect(facts.daemon_socket);
  return facts;
}

}  // namespace coffer::doctor
