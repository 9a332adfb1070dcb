// Certificates and revocation lists in the profile of Intel's SGX PCK certificates, by OpenSSL. Pure but for random
// serial numbers and signatures.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "enclave/quoting/messages.h"

struct evp_pkey_st;

namespace coffer::node {

// Seconds since 1970-01-01T00:00:00Z.
using Seconds = std::int64_t;

// A private key of P-256 that certifies or signs collateral.
class AuthorityKey {
 public:
  [[nodiscard]] static Result<AuthorityKey> generate();
  [[nodiscard]] static Result<AuthorityKey> from_pem(std::string_view pem);
  AuthorityKey(AuthorityKey&&) noexcept = default;
  AuthorityKey& operator=(AuthorityKey&&) noexcept = default;

  [[nodiscard]] Result<std::string> private_pem() const;
  // ECDSA with SHA-256, r || s.
  [[nodiscard]] Result<quoting::Signature> sign(ByteView message) const;
  [[nodiscard]] evp_pkey_st* get() const { return key_.get(); }

 private:
  struct Free {
    void operator()(evp_pkey_st* key) const;
  };
  explicit AuthorityKey(evp_pkey_st* key) : key_(key) {}
  std::unique_ptr<evp_pkey_st, Free> key_;
};

struct Validity {
  Seconds from = 0, to = 0;
};

// What a PCK certificate says of its platform: Intel's extension 1.2.840.113741.1.13.1.
struct SgxExtension {
  sgx::Bytes<16> ppid{};
  sgx::Bytes<16> components{};  // SVNs 1 to 16
  std::uint16_t pce_svn = 0;
  sgx::Bytes<16> cpu_svn{};
  sgx::Bytes<2> pce_id{};
  sgx::Bytes<6> fmspc{};
  sgx::Bytes<16> platform_instance{};
};
// The extension's value in DER.
[[nodiscard]] std::vector<std::byte> encode(const SgxExtension& extension);

// Certificates are PEM texts. `issuer` is the certificate of whoever signs, with its key.
struct Issuer {
  std::string_view certificate;
  const AuthorityKey* key = nullptr;
};
[[nodiscard]] Result<std::string> make_root(std::string_view name, const AuthorityKey& key, const Validity& validity,
                                            std::string_view crl_url);
[[nodiscard]] Result<std::string> make_platform_ca(std::string_view name, const AuthorityKey& key, const Issuer& issuer,
                                                   const Validity& validity, std::string_view crl_url);
[[nodiscard]] Result<std::string> make_signer(std::string_view name, const AuthorityKey& key, const Issuer& issuer,
                                              const Validity& validity, std::string_view crl_url);
[[nodiscard]] Result<std::string> make_pck(std::string_view name, const quoting::Point& key,
                                           const SgxExtension& extension, const Issuer& issuer,
                                           const Validity& validity, std::string_view crl_url);

// The serial number of a certificate: hexadecimal digits.
[[nodiscard]] Result<std::string> serial_of(std::string_view certificate);
// The end of a certificate's validity.
[[nodiscard]] Result<Seconds> end_of(std::string_view certificate);
// The next update of a revocation list in DER.
[[nodiscard]] Result<Seconds> next_update_of(ByteView list);

struct Revoked {
  std::string serial;
  Seconds date = 0;
};
// DER.
[[nodiscard]] Result<std::vector<std::byte>> make_revocation_list(const Issuer& issuer,
                                                                  const std::vector<Revoked>& revoked,
                                                                  const Validity& validity, std::uint64_t number);

// PEM certificate to DER.
[[nodiscard]] Result<std::vector<std::byte>> to_der(std::string_view certificate);

}  // namespace coffer::node
