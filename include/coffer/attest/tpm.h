// Evidence of TPM 2.0: quotes over PCRs, event logs that explain them, and the form of Azure's confidential virtual
// machines, where an SEV-SNP report vouches for the TPM's attestation key. Event logs of confidential firmware (CCEL)
// too, which explain the RTMRs of a TDX quote.
//
// Everything here is a pure function of its arguments, and safe to call from several threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/roots.h>
#include <coffer/attest/snp.h>
#include <coffer/attest/time.h>
#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest {

// What PCRs hold, as somebody read them: only the quote's digest says whether that is true.
class PcrValues {
 public:
  // {"sha256":{"0":"<hex>",...}}, or {"0":"<hex>",...} of one bank, which the length of the values tells. Or, where
  // `bytes` is no JSON, the values of the quoted PCRs one after the other, as tpm2_quote writes them with `-F values`.
  [[nodiscard]] static Result<PcrValues> parse(std::span<const std::byte> bytes);

  using Bank = std::map<std::uint32_t, std::vector<std::byte>>;
  [[nodiscard]] const std::map<std::string, Bank, std::less<>>& banks() const { return banks_; }
  [[nodiscard]] std::span<const std::byte> joined() const { return joined_; }

 private:
  std::map<std::string, Bank, std::less<>> banks_;
  std::vector<std::byte> joined_;
};

// Spans are the caller's; empty ones were not given.
struct TpmEvidence {
  std::span<const std::byte> quote;      // TPMS_ATTEST, or TPM2B_ATTEST
  std::span<const std::byte> signature;  // TPMT_SIGNATURE, or the bare signature
  // The attestation key: a PEM PUBLIC KEY, which the caller trusts, or certificates in PEM or DER (its own first),
  // which are verified up to a trusted root. Empty: the key in `hcl_report`, which the SNP report in it vouches for.
  std::span<const std::byte> attestation_key;
  std::optional<std::span<const std::byte>> nonce;  // what the quote must carry as qualifying data, whole
  std::optional<PcrValues> pcrs;
  std::span<const std::byte> event_log;
  std::span<const std::byte> hcl_report;
  const SnpEndorsement* endorsement = nullptr;  // of the SNP report in `hcl_report`
};

// Claims: nonce, clock, reset_count, restart_count, clock_safe, firmware_version, qualified_signer, sig_scheme,
// pcr_bank, pcr_selection, pcrs; of an event log what verify_event_log() claims, but secureBootEnabled and the like
// only where the quote covers their PCR; of an HCL report `hcl`, and the SNP report's claims as `snp`. kInput where a
// part cannot be read.
[[nodiscard]] Result<Verification> verify_tpm(const TpmEvidence& evidence, const TrustedRoots& roots, UnixTime at);

// The HCL report without a quote: the SNP report in it, and that it is of the data beside it. Claims: those of the SNP
// report, and `hcl`.
[[nodiscard]] Result<Verification> verify_hcl_report(std::span<const std::byte> hcl_report,
                                                     const SnpEndorsement& endorsement, UnixTime at);

// A log by itself. Nobody signed it: `root` is kNone and the answer never authentic(); whoever has the registers'
// values from a quote compares them with `pcrs_after_replay`. Claims: events (each decoded; its `data` is "proven"
// where its digest is of it), event_count, pcrs_after_replay {bank: {index: value}}, and of proven events alone
// secureBootEnabled, secure_boot_variables, boot_order, boot_options, kernel_command_line; boot_components. Of a CCEL
// also rtmr_from_log
// {"0": value, ...}.
[[nodiscard]] Result<Verification> verify_event_log(std::span<const std::byte> event_log);

// Whether a CCEL leads to these RTMRs (of 48 bytes each, RTMR 0 first): notes the checks and sets the claims in
// `answer`, which is that of the quote. A register that the log says nothing of and that holds something is noted as
// not covered.
[[nodiscard]] Result<void> verify_ccel(std::span<const std::byte> event_log,
                                       const std::array<std::span<const std::byte>, 4>& rtmrs, Verification& answer);

}  // namespace coffer::attest
