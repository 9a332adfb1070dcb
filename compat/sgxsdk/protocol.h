// What the library outside and the one inside say to each other besides the program's own calls.
//
// A program's ECALLs and OCALLs have the numbers of its EDL file; the library's own are above all of them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::sgxsdk {

inline constexpr std::uint64_t kLibraryCalls = std::uint64_t{1} << 32;
// Answers with a TARGETINFO of this enclave: 512 bytes. The first call, so that its success says that the program
// serves.
inline constexpr std::uint64_t kIntroduce = kLibraryCalls;
// Runs destructors and ends the program; never answers.
inline constexpr std::uint64_t kLeave = kLibraryCalls + 1;

// In the image's environment: how many calls can be inside at once (TCSNum).
inline constexpr char kTcsVariableName[] = "COFFER_SGXSDK_TCS";
// And how many bytes <sgx_mm.h> may allocate (UserRegionSize); absent: as many as the enclave has.
inline constexpr char kUserRegionVariableName[] = "COFFER_SGXSDK_USER_REGION";

}  // namespace coffer::sgxsdk
