// Evidence of any kind: which one it is, and its verification.
//
//   const auto answer = coffer::attest::verify_evidence({.evidence = bytes, .certificates = {...}}, roots, now);
//
// Everything here is a pure function of its arguments, and safe to call from several threads.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/dcap.h>
#include <coffer/attest/roots.h>
#include <coffer/attest/snp.h>
#include <coffer/attest/time.h>
#include <coffer/attest/tpm.h>
#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest {

enum class EvidenceKind {
  kSgxQuote,
  kTdxQuote,
  kOpenEnclave,  // a quote in Open Enclave's report or evidence form
  kSnpReport,
  kSnpCertificate,  // a VCEK or VLEK by itself
  kHclReport,
  kTpmQuote,
  kEventLog,  // of PCRs, or a CCEL
};
// "SGX quote", "TDX quote", "Open Enclave evidence", "SEV-SNP report", "SEV-SNP endorsement key certificate", "HCL
// report", "TPM quote", "event log".
[[nodiscard]] std::string_view name_of(EvidenceKind kind);

struct DetectedEvidence {
  EvidenceKind kind{};
  std::vector<std::byte> bytes;         // the evidence itself, out of whatever it was wrapped in
  std::vector<std::byte> certificates;  // PEM that came with it: of {"SnpReport":...,"VcekCertChain":...}
};
// Sees through hexadecimal and Base64 text, and JSON objects with a member "quote", "report", "evidence", "SnpReport",
// "QuoteHex" or the like: requests to attestation services. kInput where it is nothing that is known; the message says
// what it looks like, if anything. At most 64 MiB.
[[nodiscard]] Result<DetectedEvidence> detect_evidence(std::span<const std::byte> bytes);

// Spans are the caller's; empty ones were not given. Which of them count depends on the evidence.
struct EvidenceParts {
  std::span<const std::byte> evidence;
  const dcap::Collateral* collateral = nullptr;  // of a quote
  SnpCertificates snp;
  std::span<const std::byte> signature;        // of a TPM quote
  std::span<const std::byte> attestation_key;  // of a TPM quote: see TpmEvidence
  std::span<const std::byte> hcl_report;       // beside a TPM quote
  std::span<const std::byte> event_log;
  std::optional<PcrValues> pcrs;
  // What the evidence must carry: a TPM quote as qualifying data, whole; a report or quote as the start of its report
  // data, the rest of which must be zero.
  std::optional<std::span<const std::byte>> nonce;
};

struct EvidenceAnswer {
  EvidenceKind kind{};
  Verification verification;
  // verification.authentic(); of an event log by itself, which nobody signed, whether it reads and replays.
  bool accepted = false;
};
// kInput where a part cannot be read.
[[nodiscard]] Result<EvidenceAnswer> verify_evidence(const EvidenceParts& parts, const TrustedRoots& roots,
                                                     UnixTime at);

}  // namespace coffer::attest
