// Evidence of AMD SEV-SNP: attestation reports, signed by a chip's key (VCEK) or by a cloud's (VLEK).
//
//   const auto endorsement = coffer::attest::SnpEndorsement::prepare({.vek = vek, .chain = chain}, roots);
//   const auto answer = coffer::attest::verify_snp(report, *endorsement, now);
//   if (answer && answer->authentic()) ...
//
// Everything here is a pure function of its arguments, and safe to call from several threads.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <coffer/attest/roots.h>
#include <coffer/attest/time.h>
#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest {

// What AMD's key distribution service hands out for a chip, as bytes. Empty: not given.
struct SnpCertificates {
  std::span<const std::byte> vek;    // the VCEK or VLEK, DER or PEM; where it is empty, it is looked for in `chain`
  std::span<const std::byte> chain;  // ASK or ASVK, and ARK, in any order: PEM, or DER one after the other
  std::span<const std::byte> crl;    // AMD's revocation list of the product, DER or PEM
};

// The certificates, checked once: chain, root, revocation, and what the VEK says of chip and firmware. An immutable
// value; copies share it. With it, verifying a report costs one signature.
class SnpEndorsement {
 public:
  // kInput where something that was given cannot be read. What can be read and does not verify is an answer, not an
  // error: verify_snp() reports it among its checks.
  [[nodiscard]] static Result<SnpEndorsement> prepare(const SnpCertificates& certificates, const TrustedRoots& roots);
  // Of nothing: claims are read, and the checks say what was missing.
  SnpEndorsement();

  struct State;
  [[nodiscard]] const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

// A report of 1184 bytes. Its fields are claims under the names of the firmware's ABI in lower case: measurement,
// report_data, host_data, reported_tcb {bootloader, tee, snp, microcode, and fmc on Turin}, policy and its bits, ...
// kInput where `report` is no report. Debugging allowed by the guest's policy, a low TCB or another VMPL are claims for
// a policy: an authentic report says them.
[[nodiscard]] Result<Verification> verify_snp(std::span<const std::byte> report, const SnpEndorsement& endorsement,
                                              UnixTime at);

// The certificates alone, without a report.
[[nodiscard]] Verification verify_snp_endorsement(const SnpEndorsement& endorsement, UnixTime at);

}  // namespace coffer::attest
