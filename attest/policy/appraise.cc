#include <coffer/attest/appraisal.h>

#include <algorithm>
#include <array>

#include "attest/policy/service_claims.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

struct NamedType {
  AttestationType type;
  std::string_view name, claim;
};
constexpr std::array kTypes{
    NamedType{AttestationType::kSgxEnclave, "SgxEnclave", "sgx"},
    NamedType{AttestationType::kOpenEnclave, "OpenEnclave", "sgx"},
    NamedType{AttestationType::kSevSnpVm, "SevSnpVm", "sevsnpvm"},
    NamedType{AttestationType::kTdxVm, "TdxVm", "tdxvm"},
    NamedType{AttestationType::kTpm, "Tpm", "tpm"},
};

Json as_json(const PolicyValue& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

// Several values for one name are an array, in the order in which they were issued.
Json as_json(const std::vector<PolicyClaim>& claims) {
  std::map<std::string, std::vector<const PolicyValue*>> values;
  for (const PolicyClaim& claim : claims) values[claim.type].push_back(&claim.value);
  Json object = Json::object();
  for (const auto& [name, held] : values) {
    if (held.size() == 1) {
      object[name] = as_json(*held.front());
      continue;
    }
    Json list = Json::array();
    for (const PolicyValue* value : held) list.push_back(as_json(*value));
    object[name] = std::move(list);
  }
  return object;
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::string_view name_of(AttestationType type) { return kTypes.at(static_cast<std::size_t>(type)).name; }
std::string_view claim_of(AttestationType type) { return kTypes.at(static_cast<std::size_t>(type)).claim; }

std::optional<AttestationType> parse_attestation_type(std::string_view name) {
  const auto* found = std::ranges::find(kTypes, name, &NamedType::name);
  if (found == kTypes.end()) return std::nullopt;
  return found->type;
}

AttestationType type_for(Tee tee) {
  switch (tee) {
    case Tee::kSgx:
      return AttestationType::kSgxEnclave;
    case Tee::kTdx:
      return AttestationType::kTdxVm;
    case Tee::kSevSnp:
      return AttestationType::kSevSnpVm;
    case Tee::kTpm:
      return AttestationType::kTpm;
  }
  std::unreachable();
}

Result<std::vector<PolicyClaim>> incoming_claims(const Verification& verification, const AppraisalInputs& inputs,
                                                 std::string_view policy_text) {
  auto service = service_claims(verification, inputs, policy_text);
  if (!service) return std::unexpected(service.error());
  // What a policy of version 1.2 may look into, and the names that older policies know.
  if (!inputs.events_json.empty()) (*service)["events"] = inputs.events_json;
  const std::string pcrs = inputs.pcrs_json.empty() ? pcrs_json_of(verification.claims) : inputs.pcrs_json;
  if (!pcrs.empty()) (*service)["pcrs"] = pcrs;
  add_older_names(*service);
  return policy_claims_from_json(text_of(*service));
}

Result<Appraisal> appraise(const Policy& policy, const Verification& verification, const AppraisalInputs& inputs,
                           const PolicyLimits& limits) {
  auto service = service_claims(verification, inputs, policy.text());
  if (!service) return std::unexpected(service.error());
  const auto claims = incoming_claims(verification, inputs, policy.text());
  if (!claims) return std::unexpected(claims.error());
  auto outcome = evaluate(policy, *claims, limits);
  if (!outcome) return std::unexpected(outcome.error());
  Appraisal appraisal;
  appraisal.policy_hash = policy_hash(policy.text());
  // Which TCB is asked for is the policy's to say, and the token's to repeat.
  if (outcome->configuration.sgx_tcb_identifier && claim_of(inputs.type) == "sgx") {
    (*service)["x-ms-sgx-tcbidentifier"] = *outcome->configuration.sgx_tcb_identifier;
  }
  appraisal.service_claims_json = text_of(*service);
  const Json issued = as_json(outcome->issued);
  Json token = *service;
  for (const auto& [name, value] : issued.items()) {
    // What the service says about evidence, and what a token is made of, no policy can say otherwise.
    if (!service->contains(name) && !is_reserved(name)) token[name] = value;
  }
  if (!issued.empty()) token["x-ms-policy"] = issued;
  appraisal.token_claims_json = text_of(token);
  appraisal.outcome = std::move(*outcome);
  return appraisal;
}

}  // namespace coffer::attest
