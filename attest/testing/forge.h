// Whole quotes with all that they hang on, under a certificate authority of their own: every part is a member that can
// be changed before the parts are made, so that one thing at a time can be wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <coffer/attest/dcap.h>
#include <coffer/attest/roots.h>

#include "attest/dcap/quote.h"
#include "attest/testing/issue.h"

namespace coffer::attest::testing {

struct Window {
  UnixTime first;
  UnixTime last;
};

// Made good; authentic at `now` under roots().
class Forge {
 public:
  Forge(std::uint16_t version, dcap::BodyType body);

  // --- the quote
  std::uint16_t version;
  dcap::BodyType body_type;
  std::uint32_t tee;
  std::uint16_t attestation_key_type = dcap::kEcdsaP256;
  Bytes vendor_id;
  Bytes body;       // of the size of its type
  Bytes qe_report;  // 384 bytes; its report data is set when the quote is made, unless `qe_report_data` is given
  std::optional<Bytes> qe_report_data;
  Bytes qe_authentication_data;
  std::uint16_t certification_type = 5;
  Bytes padding;  // after the quote

  // --- keys; whoever signs is one of them
  crypto::PrivateKey root_key, authority_key, pck_key, signer_key, attestation_key;
  crypto::PrivateKey quote_signed_by, qe_report_signed_by, pck_signed_by, authority_signed_by, root_signed_by,
      signer_signed_by, tcb_info_signed_by, qe_identity_signed_by, root_crl_signed_by, pck_crl_signed_by;

  // --- certificates
  std::string root_name = "Coffer Test SGX Root CA";
  std::string authority_name = "Coffer Test SGX PCK Platform CA";
  std::string pck_name = "Coffer Test SGX PCK Certificate";
  std::string signer_name = "Coffer Test SGX TCB Signing";
  std::string pck_crl_issuer;  // authority_name where it is empty
  Window root_window, authority_window, pck_window, signer_window;
  bool pck_is_plain = false;     // without extensions
  bool authority_is_one = true;  // basicConstraints
  dcap::PckExtensions platform;

  // --- collateral
  dcap::TcbInfo tcb_info;
  dcap::EnclaveIdentity qe_identity;
  Window root_crl_window, pck_crl_window;
  std::vector<Bytes> revoked_by_root, revoked_by_authority;

  UnixTime now;

  [[nodiscard]] TrustedRoots roots() const;
  [[nodiscard]] Bytes quote() const;
  [[nodiscard]] dcap::Collateral::Texts texts() const;
  [[nodiscard]] std::string collateral_json() const;
  [[nodiscard]] std::string pck_chain() const;
  [[nodiscard]] Bytes pck_serial() const { return {std::byte{0x51}}; }
  [[nodiscard]] Bytes authority_serial() const { return {std::byte{0x52}}; }
  [[nodiscard]] Bytes signer_serial() const { return {std::byte{0x53}}; }
  // quote() and texts() verified at `now`.
  [[nodiscard]] Result<Verification> verify(dcap::ChainCache* cache = nullptr) const;

 private:
  [[nodiscard]] Bytes root_certificate() const;
  [[nodiscard]] Bytes qe_part() const;
};

}  // namespace coffer::attest::testing
