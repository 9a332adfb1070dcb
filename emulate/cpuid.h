// What CPUID answers on the emulated processor: this machine's own answers, with SGX in them (Intel SDM volume
// 3D, 34.7, volume 2A, CPUID).
#pragma once

#include <cstdint>

namespace coffer::emulate {

struct CpuidAnswer {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// epc_size: bytes, told by leaf 12H as one section. Async-signal-safe.
[[nodiscard]] CpuidAnswer answer_cpuid(std::uint32_t leaf, std::uint32_t subleaf, std::uint64_t epc_size);

}  // namespace coffer::emulate
