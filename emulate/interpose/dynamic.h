// The program's view of its vDSO, and the code that it loads while it runs.
#pragma once

#include <sys/ucontext.h>
#include <ucontext.h>
#include <csignal>
#include <cstdint>

namespace coffer::emulate {

// Puts the emulated vDSO into the auxiliary vector behind `environment`, as the kernel leaves it.
void offer_vdso(char** environment);
// Traps CPUID in everything that is loaded, or lets the processor fault on it where it can, and watches what the
// dynamic linker loads later.
void trap_cpuid_everywhere();
// A signal of ordinary code that is ours to serve: a CPUID, or the dynamic linker's word that it has loaded something.
[[nodiscard]] bool serve_signal(int signal, siginfo_t* info, ucontext_t* context);

}  // namespace coffer::emulate
