// How ENCLU leaves look at their operands in the enclave's memory (Intel SDM volume 3D, 40.4).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "processor/enclave.h"

namespace coffer::processor {

enum class OperandAccess : std::uint8_t { kRead, kWrite };

// An operand that is misaligned or outside ELRANGE is a #GP, one on a page that does not allow the access a #PF. Under
// the enclave's lock, which also keeps the page as it is until the operand has been read or written.
template <class T>
[[nodiscard]] LeafOutcome check_operand(const SoftEnclave& enclave, std::uint64_t address, std::uint64_t alignment,
                                        OperandAccess access) {
  const std::uint8_t permissions =
      sgx::SecinfoFlags::kR | (access == OperandAccess::kWrite ? sgx::SecinfoFlags::kW : 0);
  if (address % alignment != 0 || !enclave.contains(address, sizeof(T))) return general_protection();
  if (!enclave.pages_allow(address - enclave.base(), sizeof(T), permissions)) {
    return enclave.missed(address - enclave.base());
  }
  return {};
}

template <class T>
[[nodiscard]] T load_operand(std::uint64_t address) {
  T value;
  std::memcpy(&value, reinterpret_cast<const void*>(address), sizeof(T));
  return value;
}

template <std::size_t Size>
[[nodiscard]] bool is_zero(const sgx::Bytes<Size>& bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}

// SECINFO's reserved flags and bytes (Intel SDM volume 3D, 38.11).
[[nodiscard]] inline bool reserved_clear(const sgx::Secinfo& secinfo) {
  constexpr std::uint64_t kKnown = 0xff00 | 0x3f;  // the page's type; R, W, X, PENDING, MODIFIED, PR
  return (secinfo.flags.value & ~kKnown) == 0 && is_zero(secinfo.reserved);
}

}  // namespace coffer::processor
