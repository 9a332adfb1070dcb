// What an exception of the application's own instructions is as a signal. Freestanding.
#pragma once

#include <csignal>
#include <cstdint>

#include "enclave/kernel/core/thread.h"

namespace coffer::kernel::signals {

// Of sigaction() and sigaltstack(); the C library's headers keep the first to themselves and sign the second.
inline constexpr std::uint64_t SA_RESTORER_FLAG = 0x04000000;
inline constexpr std::uint32_t SS_AUTODISARM_FLAG = 1U << 31;
inline constexpr std::uint64_t kLeastAlternateStack = 2048;  // MINSIGSTKSZ of the kernel's interface

// The signal of an exception vector (SDM 3A 6.3.1).
int signal_of(std::uint32_t vector);

// siginfo of thread.cause at thread.stopped. Reads the vector registers' status, so before anything changes that.
// Advances RIP where Linux does (INT3).
siginfo_t info_of_trap(ThreadControl& thread);

}  // namespace coffer::kernel::signals
