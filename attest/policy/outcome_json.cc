// Claims from JSON, and what came of a policy as JSON.
#include <coffer/attest/policy.h>

#include "attest/core/json_text.h"
#include "attest/core/strict_json.h"

namespace coffer::attest {

namespace {

using Json = nlohmann::json;

// Nothing where the value is null.
std::optional<PolicyValue> value_from(const Json& json) {
  if (json.is_null()) return std::nullopt;
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_string()) return json.get<std::string>();
  const bool fits = json.is_number_integer() &&
                    (!json.is_number_unsigned() || json.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX));
  if (fits) return json.get<std::int64_t>();
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<PolicyClaim> claim_from(const Json& json) {
  const auto text = [&json](const char* name) -> std::optional<std::string> {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  const auto type = json.is_object() ? text("type") : std::nullopt;
  if (!type || type->empty()) return input_error("a claim in a list is an object with the names type and value");
  const auto found = json.find("value");
  const auto value = found != json.end() ? value_from(*found) : std::nullopt;
  if (!value) return input_error("the claim " + *type + " has no value");
  PolicyClaim claim{.type = *type, .value = *value, .issuer = text("issuer").value_or(std::string(kIssuedByClient))};
  if (claim.issuer != kIssuedByService && claim.issuer != kIssuedByPolicy && claim.issuer != kIssuedByClient) {
    return input_error("the claim " + *type +
                       " has an issuer that there is not: AttestationService, AttestationPolicy or CustomClaim");
  }
  const auto value_type = text("valueType");
  if (value_type && *value_type != value_type_of(claim.value)) {
    return input_error("the claim " + *type + " is of another valueType than its value");
  }
  return claim;
}

void write(const PolicyValue& value, JsonText& out) {
  std::visit([&out](const auto& held) { out.value(held); }, value);
}

void write(const PolicyClaim& claim, JsonText& out) {
  out.begin_object();
  out.name("type");
  out.value(claim.type);
  out.name("value");
  write(claim.value, out);
  out.name("issuer");
  out.value(claim.issuer);
  out.end_object();
}

// An object of names; several values for one name are an array.
void write_set(const std::vector<PolicyClaim>& claims, JsonText& out) {
  std::map<std::string_view, std::vector<const PolicyValue*>> values;
  for (const PolicyClaim& claim : claims) values[claim.type].push_back(&claim.value);
  out.begin_object();
  for (const auto& [name, held] : values) {
    out.name(name);
    if (held.size() > 1) out.begin_array();
    for (const PolicyValue* value : held) write(*value, out);
    if (held.size() > 1) out.end_array();
  }
  out.end_object();
}

void write(const RuleTrace& rule, JsonText& out) {
  out.begin_object();
  out.name("section");
  out.value(rule.section);
  out.name("line");
  out.value(std::uint64_t{rule.place.line});
  out.name("rule");
  out.value(rule.text);
  out.name("fired");
  out.value(rule.fired);
  out.name("conditions");
  out.begin_array();
  for (const ConditionTrace& condition : rule.conditions) {
    out.begin_object();
    if (!condition.identifier.empty()) {
      out.name("identifier");
      out.value(condition.identifier);
    }
    out.name("looked_at");
    out.value(condition.looked_at);
    out.name("held");
    out.value(condition.held);
    out.name("matches");
    out.begin_array();
    for (const std::uint32_t index : condition.matches) out.value(std::uint64_t{index});
    out.end_array();
    out.end_object();
  }
  out.end_array();
  out.name("gave");
  out.begin_array();
  for (const PolicyClaim& claim : rule.gave) write(claim, out);
  out.end_array();
  out.end_object();
}

void write(const PolicyConfiguration& configuration, JsonText& out) {
  out.begin_object();
  out.name("require_valid_aik_cert");
  out.value(configuration.require_valid_aik_cert);
  out.name("required_pcr_mask");
  out.value(std::uint64_t{configuration.required_pcr_mask});
  if (configuration.sgx_tcb_identifier) {
    out.name("x-ms-sgx-tcbidentifier");
    out.value(*configuration.sgx_tcb_identifier);
  }
  if (configuration.report_validity_minutes) {
    out.name("report_validity_in_minutes");
    out.value(*configuration.report_validity_minutes);
  }
  out.name("omit_x5c");
  out.value(configuration.omit_x5c);
  out.end_object();
}

}  // namespace

Result<std::vector<PolicyClaim>> policy_claims_from_json(std::string_view json) {
  const auto read = read_json(json);
  if (!read) return std::unexpected(read.error());
  std::vector<PolicyClaim> claims;
  if (read->is_array()) {
    for (const Json& each : *read) {
      auto claim = claim_from(each);
      if (!claim) return std::unexpected(claim.error());
      claims.push_back(std::move(*claim));
    }
    return claims;
  }
  if (!read->is_object()) return input_error("claims are an object of names with values, or a list of claims");
  for (const auto& [name, value] : read->items()) {
    if (name.empty()) return input_error("a claim without a name");
    const Json alone = Json::array({value});
    for (const Json& each : value.is_array() ? value : alone) {
      if (auto held = value_from(each)) claims.push_back({.type = name, .value = std::move(*held)});
    }
  }
  return claims;
}

std::string to_json(const PolicyOutcome& outcome) {
  JsonText out;
  out.begin_object();
  out.name("permitted");
  out.value(outcome.permitted);
  if (!outcome.permitted) {
    out.name("reason");
    out.value(outcome.reason);
  }
  out.name("issued");
  write_set(outcome.issued, out);
  out.name("properties");
  write_set(outcome.properties, out);
  out.name("configuration");
  write(outcome.configuration, out);
  out.name("rules");
  out.begin_array();
  for (const RuleTrace& rule : outcome.trace) write(rule, out);
  out.end_array();
  out.name("claims");
  out.begin_array();
  for (const PolicyClaim& claim : outcome.claims) write(claim, out);
  out.end_array();
  out.name("steps");
  out.value(outcome.steps);
  out.name("bytes");
  out.value(outcome.bytes);
  out.end_object();
  return out.take();
}

}  // namespace coffer::attest
