// Reports that the host asks for at the start (boundary/attestation.h). Freestanding.
#pragma once

#include <cstdint>

namespace coffer::kernel {

// Copies the order at the end of the start block, and does what it says before the program is there: with kStartReport
// it does not return. Panics where the block breaks the protocol.
void take_attestation_order(std::uint64_t flags, std::uint64_t block, std::uint64_t size);

// At the end of the program: puts the report over its output, where one was asked for, into this thread's exchange
// area. How many bytes it has, 0 for none.
[[nodiscard]] std::uint64_t leave_output_report(int status);

}  // namespace coffer::kernel
