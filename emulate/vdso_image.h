// A vDSO for the program: the kernel's own, whose symbols go on working, with __vdso_sgx_enter_enclave beside them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::emulate {

// The ELF image for address `base`: a symbol table that holds the symbols of the vDSO at `original` (0: there is none)
// at the places where they are, and the function at `entry`. The image's pages are to be readable and executable.
// Input error where the original is no ELF file that can be read.
[[nodiscard]] Result<std::vector<std::byte>> make_vdso_image(std::uint64_t base, std::uint64_t original,
                                                             std::uint64_t entry);

extern "C" {
void coffer_vdso_enter();
extern const char coffer_vdso_enclu[];
extern const char coffer_vdso_landing[];
}

}  // namespace coffer::emulate
