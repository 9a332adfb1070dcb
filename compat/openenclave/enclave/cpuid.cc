#include "compat/openenclave/enclave/cpuid.h"

#include <cpuid.h>
#include <openenclave/internal/cpuid.h>

#include <algorithm>
#include <array>
#include <span>

// Each entry is the distance from itself to an instruction. The linker makes the symbols where there are any.
extern "C" {
extern const std::int64_t __start_coffer_oe_cpuid[] __attribute__((weak, visibility("hidden")));
extern const std::int64_t __stop_coffer_oe_cpuid[] __attribute__((weak, visibility("hidden")));
}

namespace coffer::openenclave {
namespace {

constexpr std::array<std::uint8_t, 4> kInstruction = {0x0f, 0xa2, 0x0f, 0x0b};  // and one that nobody gets past

std::span<const std::int64_t> sites() {
  if (__start_coffer_oe_cpuid == nullptr) return {};
  return {__start_coffer_oe_cpuid, __stop_coffer_oe_cpuid};
}

}  // namespace

bool has_cpuid_sites() { return !sites().empty(); }

bool is_cpuid_site(std::uint64_t address) {
  return std::ranges::any_of(sites(), [address](const std::int64_t& entry) {
    return reinterpret_cast<std::uint64_t>(&entry) + static_cast<std::uint64_t>(entry) == address;
  });
}

bool answer_cpuid(ucontext_t& context, bool all_leaves) {
  auto& registers = context.uc_mcontext.gregs;
  const auto leaf = static_cast<std::uint32_t>(registers[REG_RAX]);
  if (!all_leaves && !oe_is_emulated_cpuid_leaf(leaf)) return false;
  std::array<std::uint32_t, OE_CPUID_REG_COUNT> answer{};
  __cpuid_count(leaf, static_cast<std::uint32_t>(registers[REG_RCX]), answer[OE_CPUID_RAX], answer[OE_CPUID_RBX],
                answer[OE_CPUID_RCX], answer[OE_CPUID_RDX]);
  // The highest leaves that are answered for sure.
  if (leaf == 0) answer[OE_CPUID_RAX] = OE_CPUID_MAX_BASIC;
  if (leaf == 0x80000000) answer[OE_CPUID_RAX] = OE_CPUID_MAX_EXTENDED;
  registers[REG_RAX] = answer[OE_CPUID_RAX];
  registers[REG_RBX] = answer[OE_CPUID_RBX];
  registers[REG_RCX] = answer[OE_CPUID_RCX];
  registers[REG_RDX] = answer[OE_CPUID_RDX];
  registers[REG_RIP] += static_cast<greg_t>(kCpuidLength);
  return true;
}

std::uint64_t cpuid_bytes() { return reinterpret_cast<std::uint64_t>(kInstruction.data()); }

}  // namespace coffer::openenclave
