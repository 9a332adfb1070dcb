// The quoting enclave's work: a key of its own, sealed for the platform's signer, and quotes signed with it.
//
// Orders are the enclave's own copies of what the host gave. From any thread.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "enclave/quoting/messages.h"

namespace coffer::quoting {

[[nodiscard]] Status quoting_target(sgx::TargetInfo& target);

// A fresh attestation key, sealed, and a report for the certifier that binds its public half:
// report data = SHA-256(public key || authentication data) || zeros.
[[nodiscard]] Status make_key(const sgx::TargetInfo& certifier, MadeKey& made);

// `order` is a QuoteOrder with what follows it. The quote says what the order's report says, where that report is
// genuine and for this enclave. Chain and certification are the host's word and only carried: a verifier sees for
// itself whether they fit; here it is checked that they are about the sealed key.
[[nodiscard]] Status make_quote(ByteView order, std::vector<std::byte>& quote);

}  // namespace coffer::quoting
