// What Collateral holds: every part typed, with what its signatures said.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coffer/attest/dcap.h>

#include "attest/dcap/tcb_info.h"
#include "attest/x509/chain.h"
#include "attest/x509/revocation_list.h"

namespace coffer::attest::dcap {

struct Collateral::State {
  TrustedRoots roots;
  crypto::Digest roots_id;  // names the roots in caches
  TcbInfo tcb_info;
  EnclaveIdentity qe_identity;
  std::optional<x509::RevocationList> root_crl;
  std::optional<x509::RevocationList> pck_crl;
  // The key with which the PCK revocation list fits, where its issuer chain was given. Not trusted by itself: it is
  // compared with the key of the quote's chain.
  std::optional<crypto::PublicKey> pck_crl_key;
  std::optional<crypto::PublicKey> root_key;  // of the chain that signed the TCB info
  TrustedRoots::Root root;
  Checks checks;        // independent of the time and of the quote
  x509::Window window;  // of everything in it
};

// The parts by the names that they have in JSON.
[[nodiscard]] std::array<std::pair<std::string_view, std::string*>, 9> members_of(Collateral::Texts& texts);

// Without white space and zero bytes at its ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

}  // namespace coffer::attest::dcap
