// Cases: evidence with what is expected of it, in directories of the form of tests/vectors/attestation.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/roots.h>

#include "base/bytes.h"

namespace coffer::attest::detect {

// The files of a case by their names: expect.json, and of
//   quotes of SGX and TDX:  quote.bin, collateral.json
//   SNP reports:            report.bin, vek.der, ca_chain.pem, crl.der
//   VEKs:                   vek.der, ca_chain.pem
//   TPM quotes:             quote.msg, quote.sig, ak_pub.pem or ak_cert.pem, event_log.bin, hcl_report.bin
//   event logs:             event_log.bin; ccel.bin, with quote.bin whose RTMRs it must lead to
using CaseFiles = std::map<std::string, std::vector<std::byte>, std::less<>>;

struct CaseOutcome {
  bool agrees = false;
  std::string expected;  // "accept UpToDate"
  std::string got;       // "reject (report.signature)"; where only a value differs, which
};

// Verifies what the files hold at the time in expect.json (else at `now`), and compares verdict, TCB status,
// advisories, reason and every field that expect.json has. A case whose verdict is "either" agrees whatever comes.
[[nodiscard]] CaseOutcome run_case(const CaseFiles& files, const TrustedRoots& roots, UnixTime now);

}  // namespace coffer::attest::detect
