// Issues what Intel issues, under keys of one's own: certificates in Intel's profile, revocation lists, TCB info and
// identities as JSON. For tests, and for platforms in software.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attest/crypto/private_key.h"
#include "attest/dcap/pck_certificate.h"
#include "attest/dcap/tcb_info.h"

namespace coffer::attest::testing {

using Bytes = std::vector<std::byte>;

struct CertificateRequest {
  std::string subject;  // common names; the rest of the names is "O = Coffer"
  std::string issuer;
  Bytes serial{std::byte{1}};  // big-endian
  UnixTime not_before;
  UnixTime not_after;
  const crypto::PublicKey* key = nullptr;          // the subject's
  const crypto::PrivateKey* issuer_key = nullptr;  // signs
  bool authority = false;
  std::optional<std::uint64_t> path_length;
  std::optional<dcap::PckExtensions> platform;  // of PCK certificates
  bool plain = false;                           // without any extension
};
[[nodiscard]] Bytes issue_certificate(const CertificateRequest& request);

struct RevocationRequest {
  std::string issuer;
  const crypto::PrivateKey* issuer_key = nullptr;
  UnixTime this_update;
  UnixTime next_update;
  std::vector<Bytes> serials;  // that are revoked, big-endian
};
[[nodiscard]] Bytes issue_revocation_list(const RevocationRequest& request);

[[nodiscard]] std::string to_pem(ByteView der, std::string_view label);

// The objects that are signed, in the form of Intel's service.
[[nodiscard]] std::string to_json(const dcap::TcbInfo& info);
[[nodiscard]] std::string to_json(const dcap::EnclaveIdentity& identity);

// The SGX extensions' value, without their OCTET STRING: 7 entries where there is a platform's id or configuration,
// else 5.
[[nodiscard]] Bytes encode(const dcap::PckExtensions& platform);

}  // namespace coffer::attest::testing
