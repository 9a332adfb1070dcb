// The certifying enclave's work, the role of the PCE in Intel's design: its key, the PCK, vouches for the platform's
// quoting enclave. The key is derived from EGETKEY for the platform's signer whenever it is needed and is kept nowhere.
//
// Orders are the enclave's own copies of what the host gave. From any thread.
#pragma once

#include "enclave/quoting/messages.h"

namespace coffer::quoting {

[[nodiscard]] Status certifier_target(sgx::TargetInfo& target);
[[nodiscard]] Status certifier_public_key(const KeyOrder& order, Point& key);
// Signs the report's body where the report is genuine, for this enclave, and from the quoting enclave of the same
// signer, which must not be a debug one.
[[nodiscard]] Status certify(const CertifyOrder& order, Signature& signature);

}  // namespace coffer::quoting
