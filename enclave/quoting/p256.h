// ECDSA over P-256 with SHA-256 for the enclaves of quoting, by OpenSSL. Private keys are scalars of 32 bytes,
// big-endian.
#pragma once

#include <coffer/outcome.h>

#include "base/bytes.h"
#include "base/secret.h"
#include "enclave/quoting/messages.h"

namespace coffer::quoting {

// A key pair. The private half is wiped with the object.
class KeyPair {
 public:
  // Random.
  [[nodiscard]] static Outcome<KeyPair> generate();
  // From 40 uniformly random bytes, always the same (FIPS 186-5, A.2.1: extra random bits).
  [[nodiscard]] static Outcome<KeyPair> derive(std::span<const std::byte, 40> material);
  // kMalformed where the scalar is none of the group's.
  [[nodiscard]] static Outcome<KeyPair> from_scalar(std::span<const std::byte, 32> scalar);

  [[nodiscard]] const Point& public_key() const { return public_key_; }
  [[nodiscard]] std::span<const std::byte, 32> scalar() const { return scalar_.bytes(); }
  [[nodiscard]] Outcome<Signature> sign(ByteView message) const;

 private:
  KeyPair() = default;
  Key256 scalar_;
  Point public_key_{};
};

}  // namespace coffer::quoting
