// A software platform's identity towards strangers: its own root, certificates and collateral, and the keys that its
// enclaves of quoting use. Kept in $state/platform, made at first use.
//
// The folder is replaced as a whole, under a lock: whoever reads it has one state, and a crash leaves the old or the
// new one. Files of it, which other tools may read: root-ca.pem, platform-ca.pem, tcb-signing.pem, pck.pem
// (certificates), root-ca.crl, pck.crl (DER), tcb-info.json, qe-identity.json. The rest is this room's own. A Platform
// is a value.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "node/quoting/certificates.h"
#include "node/quoting/enclaves.h"
#include "node/quoting/tcb.h"
#include "sgx/arch.h"

namespace coffer::node {

// What tells this family of platforms from hardware: no CPU of Intel's has this FMSPC.
inline constexpr sgx::Bytes<6> kSoftwareFmspc = {'C', 'O', 'F', 'F', 0x00, 0x01};
inline constexpr sgx::Bytes<2> kSoftwarePceId = {0, 0};
inline constexpr std::uint16_t kCertifierSvn = 1;
// Verifiers of Intel quotes look for the words "SGX Root CA".
inline constexpr std::string_view kRootName = "Coffer Software SGX Root CA";

// Numbers and settings, which the certificates are made from.
struct PlatformFacts {
  Seconds created = 0;
  sgx::Bytes<16> ppid{}, instance{}, cpu_svn{};
  std::uint64_t generation = 1;  // of the PCK
  std::uint64_t crl_number = 1;
  sgx::MrSigner enclave_signer;
  std::uint16_t quoting_svn = 1;
  std::vector<Revoked> revoked;  // PCK certificates
  TcbSettings tcb;
};

// PEM, but for the lists, which are DER.
struct PlatformCertificates {
  std::string root, platform_ca, tcb_signing, pck;
  std::vector<std::byte> root_crl, pck_crl;
  std::string tcb_info, qe_identity;
  [[nodiscard]] std::string pck_chain() const { return pck + platform_ca + root; }
  [[nodiscard]] std::string platform_ca_chain() const { return platform_ca + root; }
  [[nodiscard]] std::string tcb_signing_chain() const { return tcb_signing + root; }
};

class Platform {
 public:
  // That of the state directory; made where there is none. Collateral that will soon end is issued again on the way.
  [[nodiscard]] static Result<Platform> open();
  // The same for another state directory.
  [[nodiscard]] static Result<Platform> open(const std::filesystem::path& state);
  // Nothing where there is none; never makes or changes one.
  [[nodiscard]] static Result<std::optional<Platform>> look(const std::filesystem::path& state);

  // A new PCK and attestation key; the old PCK certificate is revoked. The platform as it is then.
  [[nodiscard]] static Result<Platform> rotate(const std::filesystem::path& state);
  // Says other things about TCB levels from now on. `change` gets the settings and the platform's facts.
  template <class Change>
  [[nodiscard]] static Result<Platform> set_tcb(const std::filesystem::path& state, Change&& change) {
    return change_tcb(state, [&change](PlatformFacts& facts) { return change(facts); });
  }
  // What the settings are where nobody has said anything.
  [[nodiscard]] static TcbSettings default_tcb(const PlatformFacts& facts);

  [[nodiscard]] const PlatformFacts& facts() const { return facts_; }
  [[nodiscard]] const PlatformCertificates& certificates() const { return certificates_; }
  [[nodiscard]] const CertifiedKey& attestation_key() const { return key_; }
  // With which the platform's enclaves are signed.
  [[nodiscard]] Result<sgx::SigningKey> enclave_key() const { return sgx::SigningKey::from_pem(enclave_key_); }

 private:
  class Store;
  struct Keys;
  Platform() = default;
  [[nodiscard]] static Result<Platform> make();
  [[nodiscard]] static Result<Platform> change_tcb(const std::filesystem::path& state,
                                                   const std::function<Result<void>(PlatformFacts&)>& change);
  [[nodiscard]] Result<void> renew_keys();        // PCK and attestation key of facts_.generation
  [[nodiscard]] Result<void> issue_collateral();  // TCB info, QE identity, lists
  [[nodiscard]] Result<Seconds> collateral_end() const;

  PlatformFacts facts_;
  PlatformCertificates certificates_;
  CertifiedKey key_;
  std::string enclave_key_, root_key_, platform_ca_key_, tcb_signing_key_;  // PEM
};

// The certificate, in PEM, of the local platform's root: what a verifier on this machine may trust as software. Nothing
// where there is no platform yet; it is not made.
[[nodiscard]] Result<std::optional<std::string>> local_software_root();

}  // namespace coffer::node
