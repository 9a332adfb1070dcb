// Hostile policies: one finding with a place, or a policy that is formatted without change of meaning and evaluated
// within its bounds.
#include <coffer/attest/policy.h>

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer::attest;
  static const auto claims = policy_claims_from_json(
      R"({"a":[1,-2,"[1,2]",true],"b":"{\"x\":[{\"y\":1},{\"y\":2}]}","x-ms-sgx-is-debuggable":false,"x-ms-sgx-svn":3})");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const PolicyCheck check = check_policy(text);
  if (!check.policy) {
    if (check.findings.empty() || !check.findings.back().error) std::abort();
    (void)render(check.findings.back(), text, "p");
    return 0;
  }
  const std::string formatted = format_policy(*check.policy);
  const auto again = Policy::parse(formatted);
  // Formatting writes what was left out, so that a text at the limit may pass it.
  if (!again && formatted.size() <= kMaxPolicySize) std::abort();
  if (again && (!again->same_rules(*check.policy) || format_policy(*again) != formatted)) std::abort();
  const PolicyLimits limits{.steps = 100'000, .bytes = 1 << 20, .claims = 500};
  const auto outcome = evaluate(*check.policy, *claims, limits);
  if (!outcome) return 0;
  if (outcome->steps > limits.steps || outcome->bytes > limits.bytes || outcome->claims.size() > limits.claims)
    std::abort();
  if (!outcome->permitted && !outcome->issued.empty()) std::abort();
  (void)to_json(*outcome);
  return 0;
}
