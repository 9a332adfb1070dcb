#include "services/attestation/enclave/signing_keys.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "attest/core/strict_json.h"
#include "service/enclave/certificates.h"

namespace coffer::attestation_service {

std::string SigningKeys::record(std::int64_t made) const {
  return "tenant/" + issuer_ + "/key/" + std::to_string(made);
}

Result<std::unique_ptr<SigningKeys>> SigningKeys::open(service::SealedStore& store, std::string issuer,
                                                       std::int64_t now) {
  std::unique_ptr<SigningKeys> keys(new SigningKeys(store, std::move(issuer)));
  if (auto loaded = keys->load(); !loaded) return std::unexpected(loaded.error());
  if (keys->keys_.empty()) {
    if (auto made = keys->make(now); !made) return std::unexpected(made.error());
  }
  return keys;
}

Result<void> SigningKeys::load() {
  const std::string prefix = "tenant/" + issuer_ + "/key/";
  for (const std::string& name : store_.names(prefix)) {
    std::int64_t made = 0;
    (void)std::from_chars(name.data() + prefix.size(), name.data() + name.size(), made);
    auto kept = store_.get(name);
    if (!kept) return std::unexpected(kept.error());
    const auto json = attest::read_json((*kept)->text());
    if (!json) return std::unexpected(json.error());
    auto signer = attest::TokenSigner::from_pem(json->value("key", ""), attest::TokenAlgorithm::kRs256,
                                                json->value("certificate", ""));
    if (!signer) return std::unexpected(signer.error());
    keys_.push_back({.made = made, .signer = std::move(*signer)});
  }
  return {};
}

// Self-signed, with the issuer as its name: what relying parties compare.
Result<void> SigningKeys::make(std::int64_t now) {
  const SecretBytes key = service::new_key(service::KeyType::kRsa2048);
  auto certificate =
      service::issue_certificate({.common_name = issuer_,
                                  .not_before = now - kDay,
                                  .not_after = now + kPublishedBefore + kUsed + kPublishedAfter + 2 * kDay},
                                 key.text());
  if (!certificate) return std::unexpected(certificate.error());
  auto signer = attest::TokenSigner::from_pem(key.text(), attest::TokenAlgorithm::kRs256, *certificate);
  if (!signer) return std::unexpected(signer.error());
  std::string json = nlohmann::json{{"key", std::string(key.text())}, {"certificate", *certificate}}.dump();
  std::vector<service::StoreChange> changes;
  changes.push_back({record(now), SecretBytes::copy_of(std::as_bytes(std::span(json)))});
  ::explicit_bzero(json.data(), json.size());
  if (auto written = store_.commit(std::move(changes)); !written) return written;
  keys_.push_back({.made = now, .signer = std::move(*signer)});
  return {};
}

const SigningKeys::Key& SigningKeys::active(std::int64_t now) const {
  for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) {
    if (key->made + kPublishedBefore <= now) return *key;
  }
  return keys_.front();
}

Result<void> SigningKeys::rotate(std::int64_t now) {
  if (keys_.back().made + kUsed <= now) {
    if (auto made = make(now); !made) return made;
  }
  // The one after it has signed for long enough that no token of its own is good any more.
  while (keys_.size() > 1 && keys_[1].made + kPublishedBefore + kPublishedAfter <= now) {
    std::vector<service::StoreChange> changes;
    changes.push_back({record(keys_.front().made), std::nullopt});
    if (auto written = store_.commit(std::move(changes)); !written) return written;
    keys_.erase(keys_.begin());
  }
  return {};
}

Result<std::string> SigningKeys::sign(std::string_view payload_json, std::int64_t now) {
  const attest::TokenSigner signer = [&]() {
    const std::lock_guard lock(mutex_);
    // A key that cannot be stored is not used; the old one goes on.
    (void)rotate(now);
    return active(now).signer;
  }();
  return signer.sign(payload_json, issuer_ + "/certs");
}

std::string SigningKeys::jwks() const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const Key& key : keys_) text += (text.empty() ? "" : ",") + key.signer.jwk_json();
  return "{\"keys\":[" + text + "]}";
}

std::string SigningKeys::active_key_id(std::int64_t now) const {
  const std::lock_guard lock(mutex_);
  return active(now).signer.key_id();
}

}  // namespace coffer::attestation_service
