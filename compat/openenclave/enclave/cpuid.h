// CPUID instructions of the program's own sources (<openenclave/bits/cpuid.h>).
#pragma once

#include <cstdint>

#include <ucontext.h>

namespace coffer::openenclave {

// Whether the program has any.
[[nodiscard]] bool has_cpuid_sites();
// Whether the instruction at `address` was a CPUID.
[[nodiscard]] bool is_cpuid_site(std::uint64_t address);

// Answers the CPUID that `context` stopped at, and goes on behind it: the leaves of Open Enclave's table, or, where
// `all_leaves`, any. False: not answered.
bool answer_cpuid(ucontext_t& context, bool all_leaves);

// For exception handlers, which look at the instruction: its bytes stand here.
inline constexpr std::uint64_t kCpuidLength = 2;
[[nodiscard]] std::uint64_t cpuid_bytes();

}  // namespace coffer::openenclave
