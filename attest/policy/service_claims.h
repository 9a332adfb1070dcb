// What the service claims about evidence, by the names and types of Azure Attestation.
#pragma once

#include <coffer/attest/appraisal.h>
#include <nlohmann/json.hpp>

namespace coffer::attest {

// An object of claims. Errors: see incoming_claims().
[[nodiscard]] Result<nlohmann::json> service_claims(const Verification& verification, const AppraisalInputs& inputs,
                                                    std::string_view policy_text);
// The values of PCRs that a quote is over, in the form of the service's claim `pcrs`:
// {"PCRs":[{"Index":0,"Digests":{"SHA256":
// "..."}}]}. Empty where the verifier found none.
[[nodiscard]] std::string pcrs_json_of(const Claims& claims);
// The names that are not recommended any more: policies still ask by them ($is-debuggable, tee, ver, ...).
void add_older_names(nlohmann::json& claims);
// Names that a token gives itself: iss, exp, x-ms-policy, ...
[[nodiscard]] bool is_reserved(std::string_view name);

}  // namespace coffer::attest
