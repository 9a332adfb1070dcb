// From what a verifier found to what a policy says about it, and to the claims of a token: the names and types of Azure
// Attestation's tokens (docs/design/policy.md has the table).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <coffer/attest/policy.h>
#include <coffer/attest/verification.h>

namespace coffer::attest {

// In whose name evidence is attested: the last word of the path `/attest/...`.
enum class AttestationType { kSgxEnclave, kOpenEnclave, kSevSnpVm, kTdxVm, kTpm };
// "SgxEnclave", "OpenEnclave", "SevSnpVm", "TdxVm", "Tpm".
[[nodiscard]] std::string_view name_of(AttestationType type);
[[nodiscard]] std::optional<AttestationType> parse_attestation_type(std::string_view name);
// The claim x-ms-attestation-type: "sgx", "sevsnpvm", "tdxvm", "tpm".
[[nodiscard]] std::string_view claim_of(AttestationType type);
// What a verifier's answer is attested as where nobody said.
[[nodiscard]] AttestationType type_for(Tee tee);

// Bytes that the evidence is bound to.
struct BoundData {
  std::vector<std::byte> bytes;
  bool json = false;  // a JSON text, claimed as what it says (a NUL after it is tolerated); else claimed as BASE64URL
};

struct AppraisalInputs {
  AttestationType type = AttestationType::kSgxEnclave;
  // The quote or report as it came, with the header of the OpenEnclave form: `quotehash` is over it. May be empty.
  std::span<const std::byte> evidence;
  std::optional<BoundData> runtime_data;  // its SHA-256 is in the evidence's report data
  std::optional<BoundData> init_data;     // its digest is in HOST_DATA, MRCONFIGID or CONFIGID
  std::string nonce;
  // Digests of the collateral by their short names: qeidcertshash, qeidcrlhash, qeidhash, tcbinfocertshash,
  // tcbinfocrlhash, tcbinfohash. quotehash is added to them.
  Claims collateral;
  // More that the service knows, under the names that a policy sees: aikValidated, secureBootEnabled, ...
  Claims more;
  // JSON texts for policies of version 1.2: `events` and `pcrs`. Only policies see them.
  std::string events_json, pcrs_json;
  std::string policy_signer_json;  // a JWK, where the policy was signed: the claim x-ms-policy-signer
};

struct Appraisal {
  PolicyOutcome outcome;
  std::string policy_hash;
  // JSON objects, names sorted: what the service claims, and that with what the policy issued (`x-ms-policy`, and at
  // top level where the service has no claim of that name). Without iss, iat, exp, nbf, jti: those are the token's.
  std::string service_claims_json;
  std::string token_claims_json;
};

// The service's claims about evidence, as a policy sees them. An error of kind kRefused where runtime or initialisation
// data is not what the evidence is bound to; kInput where it is not the JSON that it claims to be.
[[nodiscard]] Result<std::vector<PolicyClaim>> incoming_claims(const Verification& verification,
                                                               const AppraisalInputs& inputs,
                                                               std::string_view policy_text);

// Whether `policy` accepts, and what the token would say. Asks nothing about authenticity: that is
// `verification.authentic()`, and comes first. Errors: those of incoming_claims() and evaluate().
[[nodiscard]] Result<Appraisal> appraise(const Policy& policy, const Verification& verification,
                                         const AppraisalInputs& inputs, const PolicyLimits& limits = {});

}  // namespace coffer::attest
