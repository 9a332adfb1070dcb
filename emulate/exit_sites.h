// Making EEXIT fast: an ENCLU that leaves an enclave traps, which costs thousands of cycles. Where the instruction
// before it is the one that loads the leaf's number, that one, and only that one, becomes a jump to code that leaves
// without a trap. ENCLU itself stays, for whoever comes to it another way; the measurement was made before.
#pragma once

#include <cstdint>

#include "processor/enclave.h"

namespace coffer::emulate {

// Called when EEXIT has trapped at `rip`. Async-signal-safe. Does nothing where it cannot be sure of the code.
void quicken_exit(processor::SoftEnclave& enclave, std::uint64_t rip);

}  // namespace coffer::emulate
