// What the host tells of the CPU. CPUID inside a hardware enclave is #UD, so the enclave kernel answers it: from these
// claims, as far as it believes them (enclave/kernel/support/cpuid.h). Freestanding.
#pragma once

#include <array>
#include <cstdint>

namespace coffer::boundary {

struct CpuidRegisters {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  friend bool operator==(const CpuidRegisters&, const CpuidRegisters&) = default;
};

// One answer of the instruction, in the table that StartInfo points to.
struct CpuidEntry {
  std::uint32_t leaf, subleaf;  // EAX and ECX
  CpuidRegisters answer;
};

struct CpuidQuestion {
  std::uint32_t leaf, subleaf;
};

// The questions that the kernel has claims for; it computes every other leaf. A host tells those that its CPU knows.
inline constexpr std::array kCpuidQuestions = std::to_array<CpuidQuestion>({
    {0x1, 0},         // signature and features
    {0x7, 0},         // features
    {0x7, 1},         // features
    {0xd, 1},         // forms of XSAVE
    {0x15, 0},        // the TSC's frequency
    {0x16, 0},        // frequencies
    {0x80000001, 0},  // features
    {0x80000002, 0},  // the CPU's name
    {0x80000003, 0},
    {0x80000004, 0},
    {0x80000007, 0},  // whether the TSC is invariant
});
inline constexpr std::uint32_t kMaxCpuidEntries = 32;  // in one table; more are refused

}  // namespace coffer::boundary
