// Open Enclave's forms of evidence: an SGX or TDX quote with a header around it and custom claims behind it, and the
// endorsements that stand for collateral. Lines that begin with '#' in front of either are skipped, as in files that
// say where they come from.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <coffer/attest/dcap.h>

namespace coffer::attest::openenclave {

enum class Form {
  kQuote,     // no header: the format RAW_SGX_QUOTE_ECDSA
  kReport,    // the report header of 16 bytes: LEGACY_REPORT_REMOTE
  kEvidence,  // the attestation header of 32 bytes, version 3, with the format SGX_ECDSA
};
// "quote", "report", "evidence".
[[nodiscard]] std::string_view name_of(Form form);

// Spans point into the bytes that were parsed.
struct Evidence {
  Form form = Form::kQuote;
  std::span<const std::byte> quote;
  // Of kEvidence: what the quote's report data begins with the SHA-256 of.
  std::span<const std::byte> custom_claims;
};

// kInput where the bytes are none of the forms, or of a format that is not a quote (local reports, EPID): the message
// names it. The quote itself is not looked into.
[[nodiscard]] Result<Evidence> parse_evidence(std::span<const std::byte> bytes);

// dcap::verify(), and "oe_evidence.custom_claims" where the form has them. Adds the claims "oe_form" and, where there
// are any, "oe_custom_claims" in hexadecimal.
[[nodiscard]] Result<Verification> verify_evidence(std::span<const std::byte> evidence,
                                                   const dcap::Collateral& collateral, UnixTime at,
                                                   dcap::ChainCache* cache = nullptr);

// Endorsements as oe_get_evidence() gives them, with the attestation header or without.
[[nodiscard]] Result<dcap::Collateral> parse_endorsements(std::span<const std::byte> bytes,
                                                          const TrustedRoots& roots = TrustedRoots::built_in());

// What an answer of Intel's service says, {"tcbInfo":...} or {"enclaveIdentity":...} with its signature, unverified.
// kInput where a member is missing or not of its form.
[[nodiscard]] Result<Claims> read_json(std::string_view json);

}  // namespace coffer::attest::openenclave
