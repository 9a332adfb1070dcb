// Keys and signatures over OpenSSL, for the token room alone.
#pragma once

#include <coffer/attest/token.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "base/bytes.h"
#include "base/freed.h"

namespace coffer::attest {

using KeyPointer = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
using CertificatePointer = std::unique_ptr<X509, FreedBy<X509_free>>;
using SharedKey = std::shared_ptr<EVP_PKEY>;

struct TokenKeys::Key {
  SharedKey key;
  std::string id;  // kid, or empty
  // Where the JWK says: the only algorithm that the key is for.
  std::optional<TokenAlgorithm> algorithm;
};

// Whether the key is of the type and curve that the algorithm names.
[[nodiscard]] bool fits(EVP_PKEY* key, TokenAlgorithm algorithm);
// Null, or why the key is too weak or of no use.
[[nodiscard]] const char* weakness_of(EVP_PKEY* key, bool legacy_rsa);
[[nodiscard]] bool verify_signature(EVP_PKEY* key, TokenAlgorithm algorithm, std::string_view input,
                                    ByteView signature);
[[nodiscard]] Result<std::vector<std::byte>> make_signature(EVP_PKEY* key, TokenAlgorithm algorithm,
                                                            std::string_view input);

// Null where `der` is not one whole certificate.
[[nodiscard]] CertificatePointer certificate_from(ByteView der);
// The certificates of a JOSE header's or JWK's x5c; at most 8.
[[nodiscard]] Result<std::vector<std::vector<std::byte>>> certificates_of(const nlohmann::json& object);
// The public key as a JWK, without certificates.
[[nodiscard]] nlohmann::json jwk_of(EVP_PKEY* key);
// RFC 7638, SHA-256, BASE64URL.
[[nodiscard]] std::string thumbprint_of(EVP_PKEY* key);

}  // namespace coffer::attest
