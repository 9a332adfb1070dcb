// Local attestation from outside: asks the report verifier (enclave/verifier/), an enclave of this platform.
//
// "This platform" is the software processor with the fuses in the state directory ($COFFER_HOME). What the verifier
// says convinces whoever runs these functions and trusts that platform's owner; it is no evidence for a stranger.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "sgx/arch.h"

namespace coffer::host {

// What an enclave has to name in EREPORT, so that is_genuine() can check its report. The same for all time on one
// machine with one build of Coffer.
[[nodiscard]] Result<sgx::TargetInfo> verifier_target();

// True where an enclave of this platform made the report for the verifier and no bit of it changed (SDM volume 3D,
// EREPORT). Says nothing about which enclave that was. Errors: the verifier could not be run.
[[nodiscard]] Result<bool> is_genuine(const sgx::Report& report);

// A report as it stands in a file: 432 bytes, or 864 hexadecimal digits with any white space between them. `name`
// starts the error message.
[[nodiscard]] Result<sgx::Report> parse_report(ByteView file, std::string_view name);

}  // namespace coffer::host
