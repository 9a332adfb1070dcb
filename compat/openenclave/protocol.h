// What Open Enclave's host and enclave libraries say to each other besides the calls of EDL files.
#pragma once

#include <cstdint>
#include <string_view>

namespace coffer::openenclave {

// ECALLs of the library itself; EDL files' functions are numbered from 0.
inline constexpr std::uint64_t kFirstInternalCall = std::uint64_t{1} << 32;
enum InternalCall : std::uint64_t {
  kTerminate = kFirstInternalCall,  // runs exit handlers and destructors; answered by the program's end
  kSetLogLevel,                     // LogLevel
  kGetReport,                       // a TARGETINFO, or nothing; result: a report with its header
  kVerifyReport,                    // a report with its header
  kGetPublicKey,                    // PublicKeyQuestion, user data, key info; result: PublicKeyAnswer, key, key info
};
struct PublicKeyQuestion {
  std::uint32_t policy;  // oe_seal_policy_t; 0: the key info says it
  std::uint32_t type, format;
  std::uint32_t reserved;
  std::uint64_t user_data_size, key_info_size;
};
struct PublicKeyAnswer {
  std::uint64_t key_size, key_info_size;
};
inline constexpr std::uint64_t kMostUserData = 1 << 16, kMostKeyBytes = 2048;
struct LogLevel {
  std::uint32_t level;
};

// OCALLs of the library itself.
inline constexpr std::uint64_t kHostLog = std::uint64_t{1} << 32;  // LogLevel, then the message

// Status of calls: an oe_result_t, or a negative number of <coffer/calls.h>.

// The program's environment. Set by the image, and so measured: what OE_SET_ENCLAVE_SGX() or oesign's settings say.
inline constexpr std::string_view kHeapPages = "COFFER_OE_HEAP_PAGES", kStackPages = "COFFER_OE_STACK_PAGES",
                                  kTcsCount = "COFFER_OE_TCS";
// Given by the host at the start: hints, believed for nothing that matters.
inline constexpr std::string_view kHandle = "COFFER_OE_HANDLE", kLogLevel = "COFFER_OE_LOG_LEVEL";

}  // namespace coffer::openenclave
