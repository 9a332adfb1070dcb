// X25519 (RFC 7748) by OpenSSL: one ephemeral key, used once.
#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstddef>
#include <memory>

#include "base/secret.h"

namespace coffer::sdk {

using PublicKey = std::array<std::byte, 32>;

class EphemeralKey {
 public:
  // False where OpenSSL fails.
  [[nodiscard]] bool generate();
  [[nodiscard]] const PublicKey& public_key() const { return public_key_; }
  // The shared secret; false too where `other` is a point of small order, which would make it everybody's.
  [[nodiscard]] bool agree(const PublicKey& other, Key256& shared) const;

 private:
  std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_{nullptr, EVP_PKEY_free};
  PublicKey public_key_{};
};

}  // namespace coffer::sdk
