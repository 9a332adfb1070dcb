// The trusted side of Coffer: what a program inside an enclave can ask of its processor, and how it serves calls.
//
// Link nothing: everything here is a system call of the enclave kernel. Outside an enclave each function says so with
// inside() == false or an empty result, so that one program can run on both sides. What stands on these calls, sealing
// (<coffer/sealing.h>), attestation (<coffer/local_attestation.h>) and counters (<coffer/monotonic_counter.h>), is in
// the library Coffer::enclave.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace coffer {

namespace detail {

inline constexpr long kReport = 0xf001, kSealKey = 0xf002, kNextCall = 0xf003, kTargetInfo = 0xf004, kGetKey = 0xf005,
                      kCounter = 0xf006, kHostCall = 0xf007, kNestedReturn = 0xf008, kCallInput = 0xf009,
                      kSharedMemory = 0xf00a, kRanges = 0xf00b, kDebuggerFrames = 0xf00c, kThreads = 0xf00d;

inline long enclave_call(long number, long a = 0, long b = 0, long c = 0, long d = 0) {
  long result;
  register long fourth asm("r10") = d;
  asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
  return result;
}
// The enclave kernel keeps no vector register over this one: nothing may live in them.
inline long next_call(long previous, long next) {
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(kNextCall), "D"(previous), "S"(next)
               : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#ifdef __AVX512F__
                 ,
                 "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26",
                 "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#endif
  );
  return result;
}
inline long address(const void* pointer) { return static_cast<long>(reinterpret_cast<std::uintptr_t>(pointer)); }

}  // namespace detail

using Report = std::array<std::byte, 432>;      // SGX REPORT, Intel SDM volume 3D table 34-21
using TargetInfo = std::array<std::byte, 512>;  // SGX TARGETINFO

// EREPORT: a report on this enclave that binds `data`, for the enclave that `target` describes (all zero: for nobody
// in particular; it names this enclave but nobody can check its MAC). Empty outside an enclave.
[[nodiscard]] inline std::optional<Report> report(std::span<const std::byte, 64> data,
                                                  const TargetInfo& target = TargetInfo{}) {
  Report result{};
  const long failed = detail::enclave_call(detail::kReport, detail::address(data.data()),
                                           detail::address(target.data()), detail::address(result.data()));
  if (failed != 0) return std::nullopt;
  return result;
}

// What others target to make a report that this enclave can check. Empty outside an enclave.
[[nodiscard]] inline std::optional<TargetInfo> own_target_info() {
  TargetInfo result{};
  if (detail::enclave_call(detail::kTargetInfo, detail::address(result.data())) != 0) return std::nullopt;
  return result;
}

// True where `report` was made on this platform for this enclave (its MAC is right under our report key).
[[nodiscard]] inline bool verify_report(const Report& report) {
  constexpr long kCheck = 1;
  return detail::enclave_call(detail::kReport, detail::address(report.data()), 0, 0, kCheck) == 0;
}

[[nodiscard]] inline bool inside() { return own_target_info().has_value(); }

enum class SealPolicy : std::uint16_t { kMrEnclave = 1, kMrSigner = 2 };

// EGETKEY: a 128-bit sealing key of this enclave (or its signer's enclaves) on this platform; `id` tells keys apart.
// Wipe it after use. Empty outside an enclave.
[[nodiscard]] inline std::optional<std::array<std::byte, 16>> seal_key(SealPolicy policy,
                                                                       std::span<const std::byte, 32> id) {
  std::array<std::byte, 16> key{};
  const long failed = detail::enclave_call(detail::kSealKey, static_cast<long>(policy), detail::address(id.data()),
                                           detail::address(key.data()));
  if (failed != 0) return std::nullopt;
  return key;
}

// A call from the host. `input` has been copied into the enclave.
struct Call {
  std::uint64_t index = 0;
  std::span<const std::byte> input;
  std::size_t output_room = 0;  // bytes that the host has room for
};

namespace detail {
struct NextCall {  // what the kernel fills
  std::uint64_t index, input_size, output_room;
};
struct PreviousCall {  // what it gets
  long status;
  std::uint64_t output, written, input, room;
};
}  // namespace detail

// Serves calls on the calling thread for ever: handler(const Call&, std::span<std::byte> output, std::size_t& written)
// returns the status. `buffer` holds input (first half) and output (second half); a call whose input is larger is
// answered with status -7 (E2BIG) without being handled.
template <class Handler>
[[noreturn]] void serve(std::span<std::byte> buffer, Handler&& handler) {
  const std::size_t half = buffer.size() / 2;
  long status = 0;
  std::size_t written = 0;
  while (true) {
    detail::NextCall next{};
    const detail::PreviousCall previous{status, reinterpret_cast<std::uint64_t>(buffer.data() + half), written,
                                        reinterpret_cast<std::uint64_t>(buffer.data()), half};
    const long got = detail::next_call(detail::address(&previous), detail::address(&next));
    written = 0;
    if (got != 0) {
      status = got;
      continue;
    }
    const std::size_t room = next.output_room < half ? next.output_room : half;
    status = handler(Call{next.index, buffer.first(next.input_size), room}, buffer.subspan(half, room), written);
    if (written > room) written = room;
  }
}

}  // namespace coffer
