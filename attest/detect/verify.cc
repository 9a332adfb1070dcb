#include <utility>

#include <coffer/attest/evidence.h>
#include <coffer/attest/openenclave.h>

#include "attest/detect/rtmrs.h"
#include "base/hex.h"

namespace coffer::attest {

namespace {

// What was asked to be in the evidence is at the front of its 64 bytes of report data.
void note_report_data(const EvidenceParts& parts, Verification& answer) {
  constexpr std::string_view kId = "report.nonce";
  constexpr std::string_view kSection = "report data, as the verifier asked for it";
  if (!parts.nonce) {
    answer.checks.not_done(kId, kSection, "no nonce was asked for: the evidence can be an old one");
    return;
  }
  const ClaimValue* claim = answer.claims.find("report_data");
  const auto* text = claim != nullptr ? claim->as<std::string>() : nullptr;
  std::string expected = to_hex(*parts.nonce);
  if (text != nullptr && expected.size() < text->size()) expected.resize(text->size(), '0');
  answer.checks.note(kId, kSection, text != nullptr && *text == expected, expected, text != nullptr ? *text : "none");
}

Result<SnpEndorsement> prepare_snp(const EvidenceParts& parts, const DetectedEvidence& detected,
                                   const TrustedRoots& roots) {
  SnpCertificates certificates = parts.snp;
  if (certificates.vek.empty() && certificates.chain.empty()) certificates.chain = detected.certificates;
  return SnpEndorsement::prepare(certificates, roots);
}

bool any_certificates(const EvidenceParts& parts) { return !parts.snp.vek.empty() || !parts.snp.chain.empty(); }

// Without collateral there are claims, and nothing that proves them.
Result<Verification> read_without_collateral(ByteView quote, EvidenceKind kind) {
  auto claims = dcap::read_claims(quote);
  if (!claims) return std::unexpected(claims.error());
  Verification answer;
  answer.tee = kind == EvidenceKind::kTdxQuote ? Tee::kTdx : Tee::kSgx;
  answer.claims = std::move(*claims);
  answer.checks.note("collateral.given", "Intel SGX DCAP Quote Verification, 4.1", false,
                     "TCB info, QE identity and revocation lists (--collateral)", "none");
  return answer;
}

Result<Verification> verify_open_enclave(const EvidenceParts& parts, ByteView bytes, UnixTime at) {
  if (parts.collateral != nullptr) return openenclave::verify_evidence(bytes, *parts.collateral, at);
  const auto evidence = openenclave::parse_evidence(bytes);
  if (!evidence) return std::unexpected(evidence.error());
  return read_without_collateral(evidence->quote, EvidenceKind::kSgxQuote);
}

Result<Verification> verify_dcap(const EvidenceParts& parts, const DetectedEvidence& detected, UnixTime at) {
  auto answer = parts.collateral != nullptr ? dcap::verify(detected.bytes, *parts.collateral, at)
                                            : read_without_collateral(detected.bytes, detected.kind);
  if (!answer) return answer;
  if (!parts.event_log.empty()) {
    const auto rtmrs = detect::rtmrs_of_quote(detected.bytes);
    if (!rtmrs) return input_error("event log: only a TDX quote has registers that a log leads to");
    if (const auto done = verify_ccel(parts.event_log, *rtmrs, *answer); !done) return std::unexpected(done.error());
  }
  note_report_data(parts, *answer);
  return answer;
}

Result<Verification> verify_quote(const EvidenceParts& parts, ByteView quote, const TrustedRoots& roots, UnixTime at) {
  TpmEvidence evidence{.quote = quote,
                       .signature = parts.signature,
                       .attestation_key = parts.attestation_key,
                       .nonce = parts.nonce,
                       .pcrs = parts.pcrs,
                       .event_log = parts.event_log,
                       .hcl_report = parts.hcl_report};
  if (!any_certificates(parts)) return verify_tpm(evidence, roots, at);
  const auto endorsement = SnpEndorsement::prepare(parts.snp, roots);
  if (!endorsement) return std::unexpected(endorsement.error());
  evidence.endorsement = &*endorsement;
  return verify_tpm(evidence, roots, at);
}

Result<Verification> verify_snp_kind(const EvidenceParts& parts, const DetectedEvidence& detected,
                                     const TrustedRoots& roots, UnixTime at) {
  const auto endorsement = prepare_snp(parts, detected, roots);
  if (!endorsement) return std::unexpected(endorsement.error());
  auto answer = detected.kind == EvidenceKind::kSnpReport ? verify_snp(detected.bytes, *endorsement, at)
                                                          : verify_hcl_report(detected.bytes, *endorsement, at);
  if (answer && detected.kind == EvidenceKind::kSnpReport) note_report_data(parts, *answer);
  return answer;
}

Result<Verification> verify_certificate(const EvidenceParts& parts, ByteView vek, const TrustedRoots& roots,
                                        UnixTime at) {
  SnpCertificates certificates = parts.snp;
  certificates.vek = vek;
  const auto endorsement = SnpEndorsement::prepare(certificates, roots);
  if (!endorsement) return std::unexpected(endorsement.error());
  return verify_snp_endorsement(*endorsement, at);
}

Result<Verification> verify_kind(const EvidenceParts& parts, const DetectedEvidence& detected,
                                 const TrustedRoots& roots, UnixTime at) {
  switch (detected.kind) {
    case EvidenceKind::kSnpReport:
    case EvidenceKind::kHclReport:
      return verify_snp_kind(parts, detected, roots, at);
    case EvidenceKind::kSnpCertificate:
      return verify_certificate(parts, detected.bytes, roots, at);
    case EvidenceKind::kTpmQuote:
      return verify_quote(parts, detected.bytes, roots, at);
    case EvidenceKind::kEventLog:
      return verify_event_log(detected.bytes);
    case EvidenceKind::kSgxQuote:
    case EvidenceKind::kTdxQuote:
      return verify_dcap(parts, detected, at);
    case EvidenceKind::kOpenEnclave:
      return verify_open_enclave(parts, detected.bytes, at);
  }
  std::unreachable();
}

}  // namespace

Result<EvidenceAnswer> verify_evidence(const EvidenceParts& parts, const TrustedRoots& roots, UnixTime at) {
  const auto detected = detect_evidence(parts.evidence);
  if (!detected) return std::unexpected(detected.error());
  auto verification = verify_kind(parts, *detected, roots, at);
  if (!verification) return std::unexpected(verification.error());
  EvidenceAnswer answer{.kind = detected->kind, .verification = std::move(*verification)};
  answer.accepted = detected->kind == EvidenceKind::kEventLog ? answer.verification.checks.all_passed()
                                                              : answer.verification.authentic();
  return answer;
}

}  // namespace coffer::attest
