// Enclaves that look for memory errors (enclave/sdk/sanitizer/): where they stand, and how their images are known.
//
// GCC writes the address of the shadow memory into every function that has variables on the stack, so such an enclave
// begins at one fixed address on every rung. It is a multiple of every size that an enclave can have, and far from
// where Linux puts programs, libraries and stacks.
#pragma once

#include <cstdint>

namespace coffer::boundary {

inline constexpr std::uint64_t kSanitizedBase = 0x2000'0000'0000;
// From the enclave's base: behind images of usual size, in the first half of the heap's addresses (16 GiB at least),
// which brk() has for itself.
inline constexpr std::uint64_t kSanitizedShadow = 0x1'0000'0000;
// The shadow of address a is the byte at a / 8 + this: -fasan-shadow-offset.
inline constexpr std::uint64_t kSanitizedShadowOffset = kSanitizedBase + kSanitizedShadow - kSanitizedBase / 8;
static_assert(kSanitizedShadowOffset == 0x1c01'0000'0000);

// The ELF note by which the signer knows a program with the run-time library.
inline constexpr char kSanitizerNoteName[] = "Coffer";
inline constexpr std::uint32_t kSanitizerNoteType = 0x5341'4e31;

}  // namespace coffer::boundary
