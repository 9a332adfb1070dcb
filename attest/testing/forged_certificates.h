// Keys and certificates of the tests' own, made with OpenSSL: what a verifier that trusts their root must accept, until
// one thing about them is changed. For tests alone.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <coffer/attest/time.h>

#include "attest/crypto/public_key.h"
#include "base/bytes.h"

namespace coffer::attest::testing {

using Key = std::shared_ptr<EVP_PKEY>;
[[nodiscard]] Key new_rsa_key();
[[nodiscard]] Key new_curve_key(const char* curve);  // "P-256", "P-384"
[[nodiscard]] crypto::PublicKey public_key_of(const Key& key);
[[nodiscard]] std::string pem_of(const Key& key);  // the public half

enum class Signing : std::uint8_t { kPkcs1, kPss, kEcdsa };
// With SHA-1, SHA-256, SHA-384 or SHA-512 by OpenSSL's name. ECDSA signatures are DER.
[[nodiscard]] std::vector<std::byte> sign(const Key& key, Signing how, const char* hash, ByteView message);
// r and s of a DER signature, of `size` bytes each.
[[nodiscard]] std::vector<std::byte> r_and_s(ByteView der, std::size_t size);

struct CertificateForm {
  std::string name;  // common name
  std::string issuer_name;
  Key key;
  Key issuer_key;
  bool authority = false;
  UnixTime not_before{1'700'000'000}, not_after{1'900'000'000};
  long serial = 1;
  // Extensions: the object identifier in dots, and the contents of its OCTET STRING.
  std::vector<std::pair<std::string, std::vector<std::byte>>> extensions;
};
// DER. RSA issuers sign with PSS and SHA-384 as AMD does, others with ECDSA and SHA-256.
[[nodiscard]] std::vector<std::byte> make_certificate(const CertificateForm& form);

struct ListForm {
  std::string issuer_name;
  Key issuer_key;
  std::vector<long> revoked;
  UnixTime this_update{1'700'000'000}, next_update{1'900'000'000};
};
[[nodiscard]] std::vector<std::byte> make_revocation_list(const ListForm& form);

}  // namespace coffer::attest::testing
