// What a dying thread of a debug enclave leaves for the host's crash report (freestanding). It stands behind the
// thread's exchange area; the stack's bytes stand in the area itself. Production enclaves leave nothing.
//
// The host copies it once and believes nothing of it: it is text for a person.
#pragma once

#include <cstddef>
#include <cstdint>

#include "boundary/calls.h"

namespace coffer::boundary {

inline constexpr std::uint64_t kCrashMagic = 0x31485341'52434643;  // "CFCRASH1"
inline constexpr std::uint32_t kCrashStack = 64 * 1024;            // bytes of the stack at most

// In the order of DWARF's numbers for x86-64, so that an unwinder takes them as they are.
enum class CrashRegister : std::uint32_t { kRax, kRdx, kRcx, kRbx, kRsi, kRdi, kRbp, kRsp, kR8, kR15 = 15, kRip = 16 };
inline constexpr std::uint32_t kCrashRegisters = 17;

struct CrashRecord {
  std::uint64_t magic;  // kCrashMagic; written last
  std::uint64_t base;   // of the enclave; every address here is linear
  std::uint64_t registers[kCrashRegisters];
  std::uint64_t rflags;
  std::uint64_t fault_address;
  std::uint32_t vector;      // of the exception; 256: the program asked for it (abort)
  std::uint32_t error_code;  // of #PF and #GP
  std::uint32_t thread;      // its id inside
  std::uint32_t stack_size;  // bytes from `stack_begin` on, in the exchange area; 0: the stack was not to be read
  std::uint64_t stack_begin;
};
inline constexpr std::uint32_t kNoVector = 256;

// Where it stands in a thread's part of the arena: behind the counters, on the same page.
inline constexpr std::size_t kCrashOffset = kExchangeSize + 1024;
static_assert(kCrashOffset + sizeof(CrashRecord) <= sizeof(ExchangeArea) && kCrashStack <= kExchangeSize);
inline CrashRecord* crash_place(ExchangeArea* area) {
  return reinterpret_cast<CrashRecord*>(reinterpret_cast<std::byte*>(area) + kCrashOffset);
}
inline const CrashRecord* crash_place(const ExchangeArea* area) {
  return reinterpret_cast<const CrashRecord*>(reinterpret_cast<const std::byte*>(area) + kCrashOffset);
}

}  // namespace coffer::boundary
