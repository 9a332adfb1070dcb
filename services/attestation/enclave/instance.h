// One tenant: its keys, its policies, its policy certificates. Thread-safe.
#pragma once

#include <coffer/attest/appraisal.h>
#include <coffer/attest/token.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "service/enclave/store.h"
#include "services/attestation/enclave/settings.h"
#include "services/attestation/enclave/signing_keys.h"

namespace coffer::attestation_service {

// What the service answers in place of a result: the codes of Azure Attestation.
struct Refusal {
  unsigned status = 400;
  std::string code;  // "InvalidParameter", "PolicyParsingError", ...
  std::string message;
};
template <class T>
using Answer = std::expected<T, Refusal>;
[[nodiscard]] inline std::unexpected<Refusal> refuse(std::string code, std::string message, unsigned status = 400) {
  return std::unexpected(Refusal{status, std::move(code), std::move(message)});
}

// A policy in force.
struct ActivePolicy {
  attest::Policy policy;
  std::string jws;         // as it was set
  std::string signer_jwk;  // empty where it was not signed
};

class Instance {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Instance>> open(TenantSettings settings, service::SealedStore& store,
                                                              std::int64_t now);

  [[nodiscard]] const TenantSettings& settings() const { return settings_; }
  [[nodiscard]] SigningKeys& keys() { return *keys_; }

  [[nodiscard]] std::shared_ptr<const ActivePolicy> policy(attest::AttestationType type) const;
  // The claims of the answer, JSON.
  [[nodiscard]] Answer<std::string> set_policy(attest::AttestationType type, const std::string& jws, std::int64_t now);
  [[nodiscard]] Answer<std::string> reset_policy(attest::AttestationType type, const std::string& jws,
                                                 std::int64_t now);

  [[nodiscard]] std::string certificates_claims() const;
  [[nodiscard]] Answer<std::string> change_certificates(const std::string& jws, bool add, std::int64_t now);

  // A token with these claims: iss, iat, nbf, exp, jti are added.
  [[nodiscard]] Answer<std::string> token(std::string_view claims_json, std::int64_t now, std::int64_t lifetime);

 private:
  Instance(TenantSettings settings, service::SealedStore& store) : settings_(std::move(settings)), store_(store) {}
  Result<void> load();
  [[nodiscard]] Answer<void> check_signer(const attest::PolicyDocument& document, std::int64_t now) const;
  Answer<void> store(std::string name, std::optional<std::string> value);
  [[nodiscard]] std::string record(std::string_view what) const {
    return "tenant/" + settings_.issuer + "/" + std::string(what);
  }

  const TenantSettings settings_;
  service::SealedStore& store_;
  std::unique_ptr<SigningKeys> keys_;
  mutable std::mutex mutex_;
  std::map<attest::AttestationType, std::shared_ptr<const ActivePolicy>> policies_;
  std::vector<std::vector<std::byte>> certificates_;
};

}  // namespace coffer::attestation_service
