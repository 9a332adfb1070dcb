#include "emulate/cpuid.h"

#include <cpuid.h>

#include "processor/entry.h"
#include "sgx/arch.h"

namespace coffer::emulate {

namespace {

constexpr std::uint32_t kSgxLeaf = 0x12;
constexpr std::uint32_t kFeatureSgx = 1u << 2;             // leaf 7, EBX
constexpr std::uint32_t kFeatureSgxLc = 1u << 30;          // leaf 7, ECX: launch control
constexpr std::uint64_t kEpcAddress = 0x80000000;          // physical, and so nobody's business
constexpr std::uint32_t kLargest32 = 31, kLargest64 = 40;  // log2 of enclave sizes

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value & 0xfffff000); }
constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32 & 0xfffff); }

CpuidAnswer sgx_leaf(std::uint32_t subleaf, std::uint64_t epc_size) {
  constexpr std::uint32_t kSgx1 = 1, kSgx2 = 2;
  constexpr std::uint32_t kSection = 1;  // both the kind of the sub-leaf and its protection: the best there is
  switch (subleaf) {
    case 0:
      return {kSgx1 | kSgx2, sgx::kMiscExInfo, 0, kLargest64 << 8 | kLargest32};
    case 1: {
      const std::uint64_t attributes = processor::supported_attributes();
      const std::uint64_t xfrm = processor::machine_xfrm();
      return {static_cast<std::uint32_t>(attributes), static_cast<std::uint32_t>(attributes >> 32),
              static_cast<std::uint32_t>(xfrm), static_cast<std::uint32_t>(xfrm >> 32)};
    }
    case 2:
      return {low(kEpcAddress) | kSection, high(kEpcAddress), low(epc_size) | kSection, high(epc_size)};
    default:
      return {};
  }
}

}  // namespace

CpuidAnswer answer_cpuid(std::uint32_t leaf, std::uint32_t subleaf, std::uint64_t epc_size) {
  if (leaf == kSgxLeaf) return sgx_leaf(subleaf, epc_size);
  CpuidAnswer answer;
  __cpuid_count(leaf, subleaf, answer.eax, answer.ebx, answer.ecx, answer.edx);
  if (leaf == 0 && answer.eax < kSgxLeaf) answer.eax = kSgxLeaf;
  if (leaf == 7 && subleaf == 0) {
    answer.ebx |= kFeatureSgx;
    answer.ecx |= kFeatureSgxLc;
  }
  return answer;
}

}  // namespace coffer::emulate
