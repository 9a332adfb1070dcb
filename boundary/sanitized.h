// Enclaves that look for memory errors (enclave/sdk/sanitizer/): where they stand, and how their images are known.
//
// GCC writes the address of the shadow memory into every function that has variables on the stack, so such an enclave
// begins at one fixed address on every rung. It is a multiple of every size that an enclave can have, and far from
// where Linux puts programs, libraries and stacks.
#pragma once

#include <cstdint>

namespace coffer::boundary {

inline constexpr std::uint64_t kSanitizedBase = 0x2000'0000'0000;
// As large as an enclave can be.
inline constexpr std::uint64_t kSanitizedMostSize = std::uint64_t{1} << 40;

// Whether memory at a place that somebody draws by lot would be in such an enclave's way.
constexpr bool in_way_of_sanitized(std::uint64_t address, std::uint64_t size) {
  return address < kSanitizedBase + kSanitizedMostSize && address + size > kSanitizedBase;
}
static_assert(!in_way_of_sanitized(kSanitizedBase - 4096, 4096) && in_way_of_sanitized(kSanitizedBase - 4096, 4097));
static_assert(in_way_of_sanitized(kSanitizedBase + kSanitizedMostSize - 1, 1) &&
              !in_way_of_sanitized(kSanitizedBase + kSanitizedMostSize, 4096));

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
