// Reports that the enclave kernel makes itself, on what the host asks for at the start. Freestanding; both sides
// include it.
//
// The host puts an AttestationOrder at the very end of the start block and one of the flags into StartInfo.flags. The
// report leaves with kExit: it stands at offset 0 of the thread's exchange area, and RDX is its size, else 0.
//
// A report's data are its enclave's word, so what the host can have reported is bounded: data of the host's own choice
// only where the image leaves them to the host (kLayoutHostReportData, measured) or is DEBUG; and never data that look
// like a report over output, which the kernel alone makes.
#pragma once

#include <array>
#include <cstdint>

#include "sgx/arch.h"

namespace coffer::boundary {

// StartInfo.flags, beside kStartUnderDebugger.
inline constexpr std::uint64_t kStartReport = 2;  // report on `data`; the program is not run
inline constexpr std::uint64_t kStartOutputReport =
    4;  // run, and at its exit report on what it wrote to standard output

struct AttestationOrder {
  sgx::TargetInfo target;
  sgx::Bytes<64> data{};  // with kStartReport
};
static_assert(sizeof(AttestationOrder) == 576);

// The report data of kStartOutputReport: 32 bytes of SHA-256 over everything that was written to standard output, then
// kOutputReportMark, then the exit status, 32 bits, little-endian, then 4 zero bytes.
inline constexpr std::array<char, 24> kOutputReportMark = {'c', 'o', 'f', 'f', 'e', 'r', ' ', 's', 't', 'a', 'n', 'd',
                                                           'a', 'r', 'd', ' ', 'o', 'u', 't', 'p', 'u', 't', ' ', '1'};
inline constexpr std::size_t kOutputReportMarkOffset = 32, kOutputReportStatusOffset = 56;

// What kExit answers kStartReport with where the image does not leave its report data to the host.
inline constexpr std::uint64_t kReportRefused = ~std::uint64_t{0};

}  // namespace coffer::boundary
