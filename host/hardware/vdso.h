// The function by which a process enters an enclave: __vdso_sgx_enter_enclave of Linux's vDSO (asm/sgx.h).
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

struct sgx_enclave_run;

namespace coffer::host::hardware {

using EnterFunction = int (*)(unsigned long rdi, unsigned long rsi, unsigned long rdx, unsigned function,
                              unsigned long r8, unsigned long r9, sgx_enclave_run* run);

// Null where the kernel has none (before Linux 5.11).
[[nodiscard]] EnterFunction find_enter_function();

// The address of the function `name` in the vDSO image that stands at `base`; 0 where it has none or is no ELF image
// that can be read. The image is trusted as the kernel is: it is the kernel's.
[[nodiscard]] std::uint64_t find_vdso_symbol(std::uint64_t base, std::string_view name);

}  // namespace coffer::host::hardware
