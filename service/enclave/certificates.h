// Keys and certificates that a service makes for itself, inside. Private keys leave these values as PEM, for the sealed
// store and for TlsContext alone.
#pragma once

#include <coffer/secret_bytes.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace coffer::service {

enum class KeyType : std::uint8_t { kP256, kRsa2048, kRsa3072 };

// A key with a certificate for it.
struct CertifiedKey {
  std::string certificate;  // PEM; a chain has the leaf first
  SecretBytes key;          // PEM (PKCS #8)
};

// A quote or other evidence for a key, carried in its certificate.
struct CertificateExtension {
  std::string oid;             // "1.3.6.1.4.1.311.105.1"
  std::vector<std::byte> der;  // the extension's value as it stands
};

struct CertificateOrder {
  KeyType type = KeyType::kP256;
  std::string common_name;
  std::vector<std::string> names;  // of servers: DNS names and IP addresses (subjectAltName)
  bool authority = false;          // CA:TRUE, for signing others
  bool server = false;             // extended key usage: server and client
  std::int64_t not_before = 0;     // Unix time
  std::int64_t not_after = 0;
  std::vector<CertificateExtension> extensions;
};

// A new private key, PEM.
[[nodiscard]] SecretBytes new_key(KeyType type);
// SubjectPublicKeyInfo, DER, of a private key's public half.
[[nodiscard]] Result<std::vector<std::byte>> public_key_of(std::string_view key_pem);
// A certificate for `key`; signed by itself where there is no `issuer`.
[[nodiscard]] Result<std::string> issue_certificate(const CertificateOrder& order, std::string_view key,
                                                    const CertifiedKey* issuer = nullptr);

}  // namespace coffer::service
