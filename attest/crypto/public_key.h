// Public keys, prepared once and used often, and the signatures that evidence carries: ECDSA over P-256 and P-384, RSA
// with either padding. Values: a copy shares the prepared key. Safe to use from several threads at once.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "attest/crypto/digest.h"
#include "base/result.h"

namespace coffer::attest::crypto {

enum class KeyKind : std::uint8_t { kP256, kP384, kRsa };

// How certificates are signed.
enum class SignatureScheme : std::uint8_t {
  kEcdsaSha256,
  kEcdsaSha384,
  kEcdsaSha512,
  kRsaPkcs1Sha256,
  kRsaPkcs1Sha384,
  kRsaPkcs1Sha512,
  kRsaPssSha256,  // PSS: MGF1 and message with the same digest, salt as long as the digest
  kRsaPssSha384,
  kRsaPssSha512,
};
// "ecdsa-with-SHA256", ...
[[nodiscard]] std::string_view name_of(SignatureScheme scheme);

enum class RsaPadding : std::uint8_t {
  kPkcs1,
  kPss,  // MGF1 with the same digest; a salt of any length
};

class PublicKey {
 public:
  // The contents of a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7): P-256 or P-384 by name, points uncompressed, or RSA of
  // 2048 to 8192 bits. kInput where it is none of them or the point is not on its curve.
  [[nodiscard]] static Result<PublicKey> from_spki(ByteView der);
  // x and y, big-endian, of 32 bytes each for P-256 and 48 for P-384.
  [[nodiscard]] static Result<PublicKey> from_point(KeyKind curve, ByteView xy);
  // Big-endian.
  [[nodiscard]] static Result<PublicKey> from_rsa(ByteView modulus, ByteView exponent);

  [[nodiscard]] KeyKind kind() const;
  // Of the modulus or the field.
  [[nodiscard]] unsigned bits() const;
  // x || y, or the modulus without leading zeros. The same key in another encoding has the same.
  [[nodiscard]] ByteView value() const;
  // The exponent of an RSA key; empty otherwise.
  [[nodiscard]] ByteView exponent() const;
  // SHA-256 over kind, value and exponent: the name of the key in caches.
  [[nodiscard]] const Digest& id() const;
  // The key as SubjectPublicKeyInfo again.
  [[nodiscard]] std::vector<std::byte> spki() const;
  bool operator==(const PublicKey& other) const { return id() == other.id(); }

  // Whether `signature` is this key's over `message`. False where the scheme is not of this kind of key.
  [[nodiscard]] bool verify(SignatureScheme scheme, ByteView message, ByteView signature) const;
  // ECDSA with r and s as big-endian numbers of the field's size, one after the other: 64 or 96 bytes.
  [[nodiscard]] bool verify_ecdsa(Hash hash, ByteView message, ByteView r_and_s) const;
  [[nodiscard]] bool verify_rsa(Hash hash, RsaPadding padding, ByteView message, ByteView signature) const;

  struct State;  // OpenSSL's side, known to this room only

 private:
  explicit PublicKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace coffer::attest::crypto
