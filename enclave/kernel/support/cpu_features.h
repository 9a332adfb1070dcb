// What the processor can do, as far as the kernel uses it. Freestanding.
//
// The kernel asks CPUID once, at its start. Inside a hardware enclave CPUID raises #UD and the kernel's exception
// handler answers with what the host says, so nothing here is to be trusted further than this: a wrong answer can make
// the kernel stop or be slow, never compute something else.
#pragma once

#include <cstdint>

namespace coffer::kernel {

struct CpuFeatures {
  bool aes_ni, pclmulqdq, rdrand, rdseed, xsavec;
  bool xgetbv_in_use;           // XGETBV with ECX = 1 tells which state is in use
  bool avx512bw;                // 64-bit mask registers
  std::uint64_t vector_state;   // XSAVE components that crypto may touch, of those that are enabled here
  std::uint32_t capability[4];  // CPUID 1 EDX and ECX, 7 EBX and ECX, less what XCR0 does not enable
};

// The first call fills it; thread-safe from then on.
const CpuFeatures& cpu_features();

}  // namespace coffer::kernel
