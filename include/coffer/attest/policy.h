// The claim-rule language of Azure Attestation, versions 1.0, 1.1 and 1.2: which evidence is acceptable, and what is
// said about it (docs/attestation/policy-language.md is the reference, docs/design/policy.md the decisions).
//
// A policy is parsed once into an immutable value that threads may share. Evaluating it is a pure function of the
// policy and the claims, bounded in steps and bytes whatever the policy says. Nothing here looks at a clock or a file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <coffer/attest/claims.h>
#include <coffer/attest/verification.h>
#include <coffer/result.h>

namespace coffer::attest {

namespace rules {
struct Tree;
}

// Bounds of a policy's text; more is an error of parsing.
inline constexpr std::size_t kMaxPolicySize = 256 * 1024;
inline constexpr std::size_t kMaxPolicyRules = 2000;

// Lines and columns count from 1; a column is a byte.
struct PolicyPlace {
  std::size_t line = 1;
  std::size_t column = 1;
  bool operator==(const PolicyPlace&) const = default;
};

// What was found in a policy's text.
struct PolicyFinding {
  bool error = false;  // else a warning: Coffer reads it, other implementations may not
  PolicyPlace place;
  std::string message;  // what is wrong
  std::string advice;   // what to do
  bool operator==(const PolicyFinding&) const = default;
};

class Policy {
 public:
  // The error is one line: "NAME:LINE:COLUMN: message; advice".
  [[nodiscard]] static Result<Policy> parse(std::string_view text, std::string_view name = "policy");

  // The text as it was given: what policy_hash() is over.
  [[nodiscard]] const std::string& text() const;
  // 10, 11 or 12 for the versions 1.0, 1.1 and 1.2.
  [[nodiscard]] int version() const;
  [[nodiscard]] const std::vector<PolicyFinding>& warnings() const;
  [[nodiscard]] std::size_t rule_count() const;
  [[nodiscard]] const rules::Tree& tree() const { return *tree_; }

  // Whether both mean the same: comments, white space and places left out.
  [[nodiscard]] bool same_rules(const Policy& other) const;

 private:
  friend struct PolicyReader;
  explicit Policy(std::shared_ptr<const rules::Tree> tree) : tree_(std::move(tree)) {}
  std::shared_ptr<const rules::Tree> tree_;
};

// The same as Policy::parse(), for whoever shows the findings: `policy` is empty where one of them is an error.
struct PolicyCheck {
  std::optional<Policy> policy;
  std::vector<PolicyFinding> findings;
};
[[nodiscard]] PolicyCheck check_policy(std::string_view text);
// Three lines: "NAME:LINE:COLUMN: error: message; advice", the line of the text, a caret below the place.
[[nodiscard]] std::string render(const PolicyFinding& finding, std::string_view text, std::string_view name);

// The policy in the one layout: every comment kept, the same rules, and formatting it again changes nothing.
[[nodiscard]] std::string format_policy(const Policy& policy);

// What a claim holds. The language knows no other types.
using PolicyValue = std::variant<bool, std::int64_t, std::string>;
// "Boolean", "Integer", "String".
[[nodiscard]] std::string_view value_type_of(const PolicyValue& value);

inline constexpr std::string_view kIssuedByService = "AttestationService";
inline constexpr std::string_view kIssuedByPolicy = "AttestationPolicy";
inline constexpr std::string_view kIssuedByClient = "CustomClaim";

struct PolicyClaim {
  std::string type;
  PolicyValue value;
  std::string issuer{kIssuedByService};
  bool operator==(const PolicyClaim&) const = default;
};

// What evaluating may cost. A step is about a microsecond at most; bytes are those of values that rules made.
struct PolicyLimits {
  std::uint64_t steps = 4'000'000;
  std::uint64_t bytes = 32 * 1024 * 1024;
  std::size_t claims = 20'000;
};

// What configurationrules and issueproperty can set (versions 1.1 and later).
struct PolicyConfiguration {
  bool require_valid_aik_cert = true;                   // TPM: the attestation key needs a certificate
  std::uint32_t required_pcr_mask = 0xffffff;           // TPM: bit n is PCR n, which the quote must hold
  std::optional<std::string> sgx_tcb_identifier;        // x-ms-sgx-tcbidentifier
  std::optional<std::int64_t> report_validity_minutes;  // report_validity_in_minutes: 1 to 525600
  bool omit_x5c = false;
  bool operator==(const PolicyConfiguration&) const = default;
};

// What one rule did. Numbers are places in PolicyOutcome::claims.
struct ConditionTrace {
  std::string identifier;  // empty where it has none
  bool negated = false;
  bool held = false;
  bool looked_at = false;  // false after a condition that did not hold
  std::vector<std::uint32_t> matches;
};
struct RuleTrace {
  std::string section;  // "configurationrules", "authorizationrules", "issuancerules"
  PolicyPlace place;
  std::string text;    // in one line
  std::string action;  // "permit", "deny", "add", "issue", "issueproperty"
  bool fired = false;
  std::vector<ConditionTrace> conditions;
  std::vector<PolicyClaim> gave;  // what it added, issued or set
};

struct PolicyOutcome {
  bool permitted = false;
  std::string reason;                   // where it is not permitted; one line
  std::vector<PolicyClaim> issued;      // empty where it is not permitted
  std::vector<PolicyClaim> properties;  // of issueproperty
  PolicyConfiguration configuration;
  std::vector<PolicyClaim> claims;  // what was given, then what rules added, in order
  std::vector<RuleTrace> trace;     // every rule that was evaluated, in order
  std::uint64_t steps = 0, bytes = 0;
};

// An error (kRefused) where evaluation could not come to its end: over a limit, or a function was given what it does
// not take. The message names the rule's line and column. No verdict then, so nothing was permitted.
[[nodiscard]] Result<PolicyOutcome> evaluate(const Policy& policy, std::span<const PolicyClaim> claims,
                                             const PolicyLimits& limits = {});

// Claims for evaluate() from JSON: an object of names with values (a Boolean, an integer, text; an array of them is a
// set; what else there is becomes text that holds the JSON, null is nothing), or an array of {"type","value","issuer"}.
// At most 4 MiB.
[[nodiscard]] Result<std::vector<PolicyClaim>> policy_claims_from_json(std::string_view json);

// {"permitted":...,"reason":...,"issued":{...},"properties":{...},"rules":[...],"claims":[...],"steps":...}
[[nodiscard]] std::string to_json(const PolicyOutcome& outcome);

// BASE64URL(SHA-256(BASE64URL(text))): the claim x-ms-policy-hash.
[[nodiscard]] std::string policy_hash(std::string_view text);

}  // namespace coffer::attest
