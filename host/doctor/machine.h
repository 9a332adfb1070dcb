// What this machine offers to enclaves, as found by asking it: the CPU by CPUID, the kernel by trying.
#pragma once

#include <cstdint>
#include <string>

namespace coffer::doctor {

// How a facility answered when it was tried.
struct Trial {
  bool works = false;
  int error = 0;  // errno where it does not
};

struct MachineFacts {
  bool is_x86_64 = false;
  std::string cpu_model;
  std::string kernel_release;

  // CPU features, as far as the kernel lets programs use them.
  bool aes = false, pclmul = false, sha = false, avx2 = false, avx512 = false;
  bool rdrand = false, rdseed = false, xsave = false, fsgsbase = false;
  bool cpu_has_sgx = false, cpu_has_sgx2 = false;

  // Kernel facilities.
  Trial secret_memory;                    // memfd_secret: made, mapped and touched
  bool may_lock_any_amount = false;       // CAP_IPC_LOCK, or CAP_SYS_RESOURCE to lift the limit below, in force
  std::uint64_t locked_memory_limit = 0;  // hard RLIMIT_MEMLOCK in bytes, ~0 for none; bounds secret memory otherwise
  Trial seccomp_trap;                     // a filter may answer SECCOMP_RET_TRAP
  Trial syscall_user_dispatch;
  Trial user_namespaces;   // of a process without privileges
  int ptrace_scope = -1;   // Yama's setting 0..3, -1 where the kernel has no Yama
  bool may_trace = false;  // CAP_SYS_PTRACE in force: this process could attach to anybody

  // The daemon that starts cells for this user.
  std::string daemon_socket;  // empty: none is set up
  Trial daemon;               // connected

  // Devices.
  Trial kvm;                      // /dev/kvm opened
  Trial sgx_enclave;              // /dev/sgx_enclave opened
  bool sgx_is_emulated = false;   // ... by `coffer emulate`: it is no device of the kernel's
  bool sgx_enter_exists = false;  // the kernel's vDSO has the function that enters enclaves
};

// Asks the machine. Starts two short-lived children to try what cannot be undone; changes nothing else.
[[nodiscard]] MachineFacts probe_machine();

}  // namespace coffer::doctor
