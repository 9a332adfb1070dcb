// SnpEndorsement from the inside: what prepare() found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <coffer/attest/snp.h>

#include "attest/snp/vek.h"
#include "attest/x509/certificate.h"
#include "attest/x509/chain.h"
#include "attest/x509/revocation_list.h"

namespace coffer::attest {

struct SnpEndorsement::State {
  std::optional<x509::Certificate> vek;
  std::optional<snp::Vek> fields;               // of `vek`, whose bytes they point into
  std::string fields_fault;                     // why there are none
  std::vector<x509::Certificate> certificates;  // the chain in its order, the VEK first
  x509::Chain chain;
  std::optional<x509::RevocationList> crl;
  std::string crl_fault;  // it is not AMD's, or it revokes one of the chain; empty where it is good or not given
};

// Notes the checks of the certificates at `at`, and claims what they say. Answers whether the VEK's key may be used.
bool note_endorsement(const SnpEndorsement::State& state, UnixTime at, Verification& verification);

}  // namespace coffer::attest
