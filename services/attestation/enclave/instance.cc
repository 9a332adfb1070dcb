#include "services/attestation/enclave/instance.h"

#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "attest/core/base64.h"
#include "attest/core/strict_json.h"
#include "service/enclave/trace.h"

namespace coffer::attestation_service {
namespace {

using attest::AttestationType;

constexpr std::array kTypes = {AttestationType::kSgxEnclave, AttestationType::kOpenEnclave, AttestationType::kSevSnpVm,
                               AttestationType::kTdxVm, AttestationType::kTpm};
// Authentic evidence is accepted, and its claims are in the token anyway.
constexpr const char* kDefaultPolicy =
    "version= 1.0;\nauthorizationrules\n{\n  => permit();\n};\nissuancerules\n{\n};\n";
constexpr std::size_t kMostCertificates = 64;

std::shared_ptr<const ActivePolicy> default_policy() {
  static const std::shared_ptr<const ActivePolicy> made = [] {
    auto policy = attest::Policy::parse(kDefaultPolicy);
    if (!policy) std::abort();  // a mistake of this file's
    return std::make_shared<const ActivePolicy>(
        ActivePolicy{std::move(*policy), attest::policy_jws(kDefaultPolicy), {}});
  }();
  return made;
}

Answer<attest::PolicyDocument> read_policy(const std::string& jws) {
  auto document = attest::parse_policy_jws(jws);
  if (document) return std::move(*document);
  return refuse(document.error().kind == ErrorKind::kRefused ? "InvalidOperation" : "InvalidParameter",
                "the policy token: " + document.error().message);
}

std::string certificate_list(const std::vector<std::vector<std::byte>>& certificates) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& der : certificates) list.push_back(attest::to_base64(der));
  return list.dump();
}

const char* key_type(const std::vector<std::byte>& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())),
                                                                &X509_free);
  const EVP_PKEY* key = certificate == nullptr ? nullptr : X509_get0_pubkey(certificate.get());
  return key != nullptr && EVP_PKEY_is_a(key, "EC") == 1 ? "EC" : "RSA";
}

}  // namespace

Result<std::unique_ptr<Instance>> Instance::open(TenantSettings settings, service::SealedStore& store,
                                                 std::int64_t now) {
  std::unique_ptr<Instance> instance(new Instance(std::move(settings), store));
  auto keys = SigningKeys::open(store, instance->settings_.issuer, now);
  if (!keys) return std::unexpected(keys.error());
  instance->keys_ = std::move(*keys);
  if (auto loaded = instance->load(); !loaded) return std::unexpected(loaded.error());
  return instance;
}

Result<void> Instance::load() {
  for (const AttestationType type : kTypes) {
    policies_[type] = default_policy();
    const auto kept = store_.get(record("policy/" + std::string(name_of(type))));
    if (!kept) return std::unexpected(kept.error());
    if (!*kept) continue;
    const std::string jws((*kept)->text());
    auto document = attest::parse_policy_jws(jws);
    if (!document) return std::unexpected(document.error());
    auto policy = attest::Policy::parse(document->text);
    if (!policy) return std::unexpected(policy.error());
    policies_[type] =
        std::make_shared<const ActivePolicy>(ActivePolicy{std::move(*policy), jws, document->signer_jwk_json});
  }
  certificates_ = settings_.certificates;
  const auto kept = store_.get(record("certificates"));
  if (!kept) return std::unexpected(kept.error());
  if (!*kept) return {};
  const auto list = attest::read_json((*kept)->text());
  if (!list) return std::unexpected(list.error());
  certificates_.clear();
  for (const auto& text : *list) {
    if (auto der = attest::from_base64(text.get<std::string>())) certificates_.push_back(std::move(*der));
  }
  return {};
}

std::shared_ptr<const ActivePolicy> Instance::policy(AttestationType type) const {
  const std::lock_guard lock(mutex_);
  return policies_.at(type);
}

// An isolated tenant belongs to whoever holds a policy certificate's key, whatever bearer tokens there are.
Answer<void> Instance::check_signer(const attest::PolicyDocument& document, std::int64_t now) const {
  if (!settings_.isolated) return {};
  if (!document.is_signed) return refuse("InvalidOperation", "policies of an isolated instance have to be signed");
  if (auto trusted = attest::is_signed_by(document.signers, certificates_, {now}); !trusted) {
    return refuse("InvalidOperation", "the policy is not signed by a policy certificate: " + trusted.error().message);
  }
  return {};
}

Answer<void> Instance::store(std::string name, std::optional<std::string> value) {
  std::vector<service::StoreChange> changes;
  auto& change = changes.emplace_back();
  change.name = std::move(name);
  if (value) change.value = SecretBytes::copy_of(std::as_bytes(std::span(*value)));
  if (auto done = store_.commit(std::move(changes)); !done) {
    return refuse("InternalError", "the service cannot store this; nothing was changed that it could promise", 500);
  }
  return {};
}

Answer<std::string> Instance::set_policy(AttestationType type, const std::string& jws, std::int64_t now) {
  auto document = read_policy(jws);
  if (!document) return std::unexpected(document.error());
  if (document->is_reset)
    return refuse("InvalidParameter", "the policy is empty; to go back to the default one, reset it");
  auto policy = attest::Policy::parse(document->text);
  if (!policy) return refuse("PolicyParsingError", policy.error().message);
  const std::lock_guard lock(mutex_);
  if (auto trusted = check_signer(*document, now); !trusted) return std::unexpected(trusted.error());
  if (auto done = store(record("policy/" + std::string(name_of(type))), jws); !done)
    return std::unexpected(done.error());
  policies_[type] =
      std::make_shared<const ActivePolicy>(ActivePolicy{std::move(*policy), jws, document->signer_jwk_json});
  nlohmann::json claims{{"x-ms-policy-result", "Updated"}, {"x-ms-policy-token-hash", document->token_hash}};
  if (document->is_signed) claims["x-ms-policy-signer"] = nlohmann::json::parse(document->signer_jwk_json);
  return claims.dump();
}

Answer<std::string> Instance::reset_policy(AttestationType type, const std::string& jws, std::int64_t now) {
  const auto document = read_policy(jws);
  if (!document) return std::unexpected(document.error());
  if (!document->is_reset) return refuse("InvalidParameter", "a reset brings no policy");
  const std::lock_guard lock(mutex_);
  if (auto trusted = check_signer(*document, now); !trusted) return std::unexpected(trusted.error());
  if (auto done = store(record("policy/" + std::string(name_of(type))), std::nullopt); !done) {
    return std::unexpected(done.error());
  }
  policies_[type] = default_policy();
  return std::string(R"({"x-ms-policy-result":"Removed"})");
}

std::string Instance::certificates_claims() const {
  const std::lock_guard lock(mutex_);
  nlohmann::json keys = nlohmann::json::array();
  for (const auto& der : certificates_) {
    if (settings_.isolated) keys.push_back({{"use", "sig"}, {"kty", key_type(der)}, {"x5c", {attest::to_base64(der)}}});
  }
  return nlohmann::json{{"x-ms-policy-certificates", {{"keys", keys}}}}.dump();
}

Answer<std::string> Instance::change_certificates(const std::string& jws, bool add, std::int64_t now) {
  if (!settings_.isolated) {
    return refuse("InvalidOperation", "this instance is not isolated: it has no policy certificates");
  }
  const auto document = attest::parse_policy_certificate_jws(jws);
  if (!document) return refuse("InvalidParameter", "the policy certificate token: " + document.error().message);
  if (document->certificates.empty()) return refuse("InvalidParameter", "the token holds no certificate");
  const std::lock_guard lock(mutex_);
  if (auto trusted = attest::is_signed_by(document->signers, certificates_, {now}); !trusted) {
    return refuse("InvalidOperation", "this is not signed by a policy certificate: " + trusted.error().message);
  }
  const auto& der = document->certificates.front();
  auto changed = certificates_;
  if (add) {
    if (changed.size() >= kMostCertificates)
      return refuse("InvalidOperation", "there are too many policy certificates");
    if (std::ranges::find(changed, der) == changed.end()) changed.push_back(der);
  } else {
    std::erase(changed, der);
    if (changed.empty()) return refuse("InvalidOperation", "the last policy certificate cannot be removed");
  }
  if (auto done = store(record("certificates"), certificate_list(changed)); !done) return std::unexpected(done.error());
  certificates_ = std::move(changed);
  return nlohmann::json{{"x-ms-certificate-thumbprint", attest::certificate_thumbprint(der)},
                        {"x-ms-policycertificates-result", add ? "IsPresent" : "IsAbsent"}}
      .dump();
}

Answer<std::string> Instance::token(std::string_view claims_json, std::int64_t now, std::int64_t lifetime) {
  const auto payload = attest::token_payload(
      claims_json,
      {.issuer = settings_.issuer, .now = {now}, .lifetime_seconds = lifetime, .token_id = service::random_hex(32)});
  if (!payload) return refuse("InternalError", "the token cannot be made", 500);
  auto token = keys_->sign(*payload, now);
  if (!token) return refuse("InternalError", "the token cannot be signed", 500);
  return std::move(*token);
}

}  // namespace coffer::attestation_service
