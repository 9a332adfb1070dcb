// CPUID inside the enclave. On hardware the instruction is #UD here: the exception handler answers it, the kernel's own
// and the program's, with CpuidAnswers. On software rungs it executes, except where it was made to trap (trap_cpuid()
// in processor/patch.h). Freestanding.
//
// The host's claims are for what the host could as well do by choosing another CPU. What memory depends on is not the
// host's to say: sizes of save areas, the caches that the C library computes its copying loops from, strings. What a
// feature needs of the saved state decides whether there is one.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "boundary/cpuid.h"

namespace coffer::kernel {

using boundary::CpuidRegisters;

// Executes CPUID: the kernel's only one. Where it traps, remember_cpuid_claims() comes first.
CpuidRegisters cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0);
// True where the instruction of cpuid() stands at `rip`.
[[nodiscard]] bool is_kernel_cpuid(std::uint64_t rip);

// The state that is enabled, by its number. The CPU must have XSAVE.
inline std::uint64_t read_xcr0() {
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

// The CPU's state as far as enclave code has it. All of it is asked inside, not told.
struct CpuState {
  std::uint64_t xfrm = 3;               // what an exit saves (EREPORT)
  std::uint64_t xcr0 = 3;               // what XSAVE saves: the same on hardware, more on software rungs
  std::uint32_t opmask_offset = 0x440;  // in a standard XSAVE area: behind MPX's registers, or (AMD) in their place
};

// The CPU that a program inside is told of: GenuineIntel, one core of one thread, with the features that are claimed
// and usable.
class CpuidAnswers {
 public:
  constexpr CpuidAnswers() = default;
  // Of several claims for one question the first counts; those for questions that nobody has asked are passed by.
  CpuidAnswers(std::span<const boundary::CpuidEntry> claims, const CpuState& state);

  // As Intel documents CPUID: a leaf above the highest basic one, or above the highest extended one, answers with the
  // data of the highest basic leaf; a leaf below that is not there, and a sub-leaf that is not, answers zeros.
  [[nodiscard]] CpuidRegisters answer(std::uint32_t leaf, std::uint32_t subleaf) const;

  // What Coffer cannot do without and the claims lack, or null. Every CPU with SGX2 has it all.
  [[nodiscard]] const char* missing_feature() const;

 private:
  [[nodiscard]] const CpuidRegisters& claim(std::uint32_t leaf, std::uint32_t subleaf) const;
  [[nodiscard]] CpuidRegisters save_area(std::uint32_t subleaf) const;

  std::array<CpuidRegisters, boundary::kCpuidQuestions.size()> claims_{};  // less what is not to be believed
  CpuState state_;
};

// The answers of this enclave. Written once, at the first entry, before there is a second thread.
void remember_cpuid_claims(std::span<const boundary::CpuidEntry> claims, std::uint64_t xfrm);
// Async-signal-safe: from the exception handler.
[[nodiscard]] CpuidRegisters trapped_cpuid(std::uint32_t leaf, std::uint32_t subleaf);
// True where any CPUID has trapped.
[[nodiscard]] bool cpuid_traps();
[[nodiscard]] const CpuidAnswers& cpuid_answers();

}  // namespace coffer::kernel
