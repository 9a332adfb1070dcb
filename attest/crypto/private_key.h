// P-256 keys that sign: of software platforms and of tests. A value; copies share the key. Safe to use from several
// threads.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "attest/crypto/public_key.h"

namespace coffer::attest::crypto {

class PrivateKey {
 public:
  // kSystem where OpenSSL has no randomness.
  [[nodiscard]] static Result<PrivateKey> generate();
  [[nodiscard]] const PublicKey& public_key() const;
  // ECDSA with SHA-256: r || s.
  [[nodiscard]] std::array<std::byte, 64> sign(ByteView message) const;
  // The same as the DER that certificates have.
  [[nodiscard]] std::vector<std::byte> sign_der(ByteView message) const;

 private:
  struct State;
  explicit PrivateKey(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace coffer::attest::crypto
