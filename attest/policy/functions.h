// The functions of the policy language (version 1.2), over sets of values.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "attest/policy/budget.h"
#include "attest/policy/jmespath.h"
#include "attest/policy/syntax.h"

namespace coffer::attest::rules {

// What an expression stands for: a literal is a set of one, `c.value` the values of all claims that c matched.
using ValueSet = std::vector<PolicyValue>;

class Functions {
 public:
  explicit Functions(Budget& budget) : budget_(budget) {}

  // Functions of one value for one value (JmesPath, JsonToClaimValue, AppendString, NegateBool) are applied to every
  // value, or to every pair. The error names the function and what is wrong.
  [[nodiscard]] Result<ValueSet> call(Function function, const std::vector<ValueSet>& arguments);

 private:
  Result<ValueSet> apply(Function function, const PolicyValue& first, const PolicyValue* second);
  Result<ValueSet> jmes_path(const PolicyValue& json, const PolicyValue& query);
  Result<ValueSet> json_to_claim_value(const PolicyValue& json);
  Result<jmespath::ValueRef> document_of(const std::string& json);

  Budget& budget_;
  // Policies ask the same event log a dozen times: what was read is kept.
  std::vector<std::pair<std::string, jmespath::ValueRef>> documents_;
};

}  // namespace coffer::attest::rules
