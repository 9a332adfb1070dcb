// The keys that a tenant signs its tokens with: made inside, sealed, replaced in time, with an overlap in which both
// are published. Thread-safe.
#pragma once

#include <coffer/attest/token.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.h"
#include "service/enclave/store.h"

namespace coffer::attestation_service {

class SigningKeys {
 public:
  // Of the tenant with this issuer; makes the first key where there is none.
  [[nodiscard]] static Result<std::unique_ptr<SigningKeys>> open(service::SealedStore& store, std::string issuer,
                                                                 std::int64_t now);

  // Signs with the newest key that relying parties can have fetched. Begins a new key where that one has been used for
  // long, and forgets those whose tokens have ended.
  [[nodiscard]] Result<std::string> sign(std::string_view payload_json, std::int64_t now);
  // {"keys":[...]}, each with x5c.
  [[nodiscard]] std::string jwks() const;
  [[nodiscard]] std::string active_key_id(std::int64_t now) const;

  static constexpr std::int64_t kHour = 3600, kDay = 24 * kHour;
  static constexpr std::int64_t kPublishedBefore = kDay;  // a key is published for so long before it signs
  static constexpr std::int64_t kUsed = 30 * kDay;        // it signs for so long
  static constexpr std::int64_t kPublishedAfter = 2 * kDay;

 private:
  struct Key {
    std::int64_t made = 0;
    attest::TokenSigner signer;
  };
  SigningKeys(service::SealedStore& store, std::string issuer) : store_(store), issuer_(std::move(issuer)) {}
  Result<void> make(std::int64_t now);
  Result<void> load();
  Result<void> rotate(std::int64_t now);
  [[nodiscard]] const Key& active(std::int64_t now) const;
  [[nodiscard]] std::string record(std::int64_t made) const;

  service::SealedStore& store_;
  const std::string issuer_;
  mutable std::mutex mutex_;
  std::vector<Key> keys_;  // by age, the oldest first
};

}  // namespace coffer::attestation_service
