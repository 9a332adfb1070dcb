// What a debug enclave tells about its end (boundary/crash.h). Production enclaves tell nothing. Freestanding.
#pragma once

#include <cstdint>

#include "enclave/kernel/core/thread.h"
#include "sgx/arch.h"

namespace coffer::kernel {

// A fault that ends the enclave: the registers of the SSA frame, on the exception stack of the thread that faulted.
void record_fault(const sgx::GprArea& gpr, std::uint8_t vector, const sgx::ExInfo& info);
// A signal ends the program: the registers that it stopped with, and the fault that raised the signal, if one did.
void record_death(const UserContext& registers, const TrapCause& cause);

// What the host may know of an address inside: all of it for a debug enclave, its page for any other.
[[nodiscard]] std::uint64_t visible_address(std::uint64_t address);

}  // namespace coffer::kernel
