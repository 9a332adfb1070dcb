#include "enclave/kernel/support/cpu_features.h"

#include <atomic>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/support/cpuid.h"

namespace coffer::kernel {
namespace {

constexpr bool bit(std::uint32_t word, unsigned index) { return ((word >> index) & 1) != 0; }

// x87, SSE, AVX and the three parts of AVX-512; PKRU and AMX are not crypto's to touch.
constexpr std::uint64_t kVectorState = 0xe7;
constexpr std::uint64_t kAvxState = 0x6;
constexpr std::uint64_t kAvx512State = 0xe6;

CpuFeatures detect() {
  const std::uint32_t last_leaf = cpuid(0).eax;
  const CpuidRegisters basic = cpuid(1);
  const CpuidRegisters extended = last_leaf >= 7 ? cpuid(7) : CpuidRegisters{};
  const CpuidRegisters saving = last_leaf >= 0xd ? cpuid(0xd, 1) : CpuidRegisters{};
  CpuFeatures features{};
  features.capability[0] = basic.edx & ~(1U << 30);  // bit 30 would claim an Intel core, which only tunes code paths
  features.capability[1] = basic.ecx & ~(1U << 11);  // bit 11 would claim AMD's XOP
  features.capability[2] = extended.ebx;
  features.capability[3] = extended.ecx;
  const std::uint64_t enabled = bit(basic.ecx, 27) ? read_xcr0() : 0;
  features.vector_state = enabled & kVectorState;
  if ((enabled & kAvxState) != kAvxState) {
    features.capability[1] &= ~((1U << 28) | (1U << 12));  // AVX, FMA
    features.capability[2] &= ~(1U << 5);                  // AVX2
    features.capability[3] &= ~((1U << 9) | (1U << 10));   // VAES, VPCLMULQDQ
  }
  if ((enabled & kAvx512State) != kAvx512State) {
    features.capability[2] &= ~((1U << 16) | (1U << 17) | (1U << 21) | (1U << 28) | (1U << 30) | (1U << 31));
  }
  features.aes_ni = bit(basic.ecx, 25);
  features.pclmulqdq = bit(basic.ecx, 1);
  features.rdrand = bit(basic.ecx, 30);
  features.rdseed = bit(extended.ebx, 18);
  features.xgetbv_in_use = bit(saving.eax, 2);
  features.avx512bw = bit(extended.ebx, 30);
  features.xsavec = bit(saving.eax, 1);
  return features;
}

constinit CpuFeatures detected{};
constinit std::atomic<bool> is_detected{false};
constinit SpinLock detecting;

}  // namespace

const CpuFeatures& cpu_features() {
  if (is_detected.load(std::memory_order_acquire)) return detected;
  const LockGuard guard(detecting);
  if (!is_detected.load(std::memory_order_relaxed)) {
    detected = detect();
    is_detected.store(true, std::memory_order_release);
  }
  return detected;
}

}  // namespace coffer::kernel
