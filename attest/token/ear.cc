// EAT Attestation Results: the verdict in the terms of draft-ietf-rats-ar4si.
#include <coffer/attest/token.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "attest/core/strict_json.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

// Trust tiers and the values of claims that are used here (draft-ietf-rats-ar4si, 3.2 and 2.3).
constexpr int kNone = 0;
constexpr int kAffirming = 2;
constexpr int kWarning = 32;
constexpr int kContraindicated = 96;
constexpr int kNotRecognised = 97;  // hardware or instance: not genuine as far as can be seen
constexpr int kCryptoFailed = 99;   // the evidence is not authentic

std::string_view tier_of(int value) {
  if (value == kNone) return "none";
  return value < kWarning ? "affirming" : value < kContraindicated ? "warning" : "contraindicated";
}

// What the TCB's status says about hardware and firmware.
int hardware_of(const Verification& verification) {
  if (!verification.authentic()) {
    return verification.checks.first_failure() != nullptr ? kCryptoFailed : kNotRecognised;
  }
  if (!verification.tcb_status || *verification.tcb_status == TcbStatus::kUpToDate) return kAffirming;
  return kWarning;
}

bool is_debuggable(const Verification& verification) {
  return std::ranges::any_of(std::initializer_list<std::string_view>{"debug", "debug_allowed"},
                             [&](std::string_view name) {
                               const ClaimValue* value = verification.claims.find(name);
                               return value != nullptr && value->as<bool>() != nullptr && *value->as<bool>();
                             });
}

}  // namespace

std::string ear_payload(const Verification& verification, const Appraisal& appraisal, const EarInputs& inputs) {
  Json vector;
  vector["hardware"] = hardware_of(verification);
  vector["instance-identity"] = verification.authentic() ? kAffirming : kNotRecognised;
  vector["configuration"] = !verification.authentic() ? kNone : is_debuggable(verification) ? kWarning : kAffirming;
  // The policy is what recognises software; without its permission nothing is known in favour of it.
  vector["executables"] = appraisal.outcome.permitted && verification.authentic() ? kAffirming : kContraindicated;
  int worst = kNone;
  for (const auto& [name, value] : vector.items()) worst = std::max(worst, value.get<int>());
  Json submodule;
  submodule["ear.status"] = tier_of(worst);
  submodule["ear.trustworthiness-vector"] = std::move(vector);
  submodule["ear.appraisal-policy-id"] = "urn:coffer:policy:" + appraisal.policy_hash;
  if (auto claims = read_json(appraisal.token_claims_json))
    submodule["ear.veraison.annotated-evidence"] = std::move(*claims);
  Json ear;
  ear["eat_profile"] = "tag:github.com,2023:veraison/ear";
  ear["iat"] = inputs.issued.seconds;
  if (inputs.lifetime_seconds) ear["exp"] = inputs.issued.seconds + *inputs.lifetime_seconds;
  ear["ear.verifier-id"] = {{"developer", inputs.developer}, {"build", inputs.build}};
  if (!inputs.nonce.empty()) ear["eat_nonce"] = inputs.nonce;
  ear["submods"][inputs.submodule.empty() ? std::string(name_of(verification.tee)) : inputs.submodule] =
      std::move(submodule);
  return ear.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace coffer::attest
