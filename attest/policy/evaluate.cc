// Runs the rules of a policy over a set of claims.
#include <algorithm>
#include <limits>

#include "attest/policy/functions.h"
#include "attest/policy/syntax.h"
#include "base/text.h"

namespace coffer::attest {

namespace {

using rules::Action;
using rules::ActionKind;
using rules::Budget;
using rules::Comparison;
using rules::Condition;
using rules::Expression;
using rules::Operator;
using rules::Property;
using rules::Rule;
using rules::ValueSet;

// A value that is looked at where it stands: claims hold whole event logs.
using ValueView = std::variant<bool, std::int64_t, std::string_view>;

ValueView view_of(const PolicyValue& value) {
  return std::visit([](const auto& held) { return ValueView(held); }, value);
}

ValueView property_of(const PolicyClaim& claim, Property property) {
  switch (property) {
    case Property::kType:
      return claim.type;
    case Property::kValue:
      return view_of(claim.value);
    case Property::kValueType:
      return value_type_of(claim.value);
    case Property::kIssuer:
      return claim.issuer;
  }
  std::unreachable();
}

PolicyValue copy_of(const ValueView& view) {
  if (const auto* text = std::get_if<std::string_view>(&view)) return std::string(*text);
  if (const bool* boolean = std::get_if<bool>(&view)) return *boolean;
  return std::get<std::int64_t>(view);
}

std::size_t size_of(const PolicyClaim& claim) {
  const auto* text = std::get_if<std::string>(&claim.value);
  return sizeof(PolicyClaim) + claim.type.size() + claim.issuer.size() + (text != nullptr ? text->size() : 0);
}

bool ordered(Operator op, std::int64_t left, std::int64_t right) {
  switch (op) {
    case Operator::kLess:
      return left < right;
    case Operator::kLessOrEqual:
      return left <= right;
    case Operator::kGreater:
      return left > right;
    default:
      return left >= right;
  }
}

class Evaluation {
 public:
  Evaluation(const rules::Tree& tree, std::span<const PolicyClaim> claims, const PolicyLimits& limits)
      : tree_(tree), budget_(limits), functions_(budget_) {
    outcome_.claims.assign(claims.begin(), claims.end());
  }

  Result<PolicyOutcome> run() {
    if (outcome_.claims.size() > budget_.limits().claims) return too_many_claims();
    for (const rules::Section& section : tree_.sections) {
      if (section.kind == rules::SectionKind::kIssuance && !authorized()) break;
      for (const Rule& rule : section.rules) {
        if (auto done = run(section.kind, rule); !done) return failed(rule, done.error());
      }
    }
    outcome_.permitted = authorized();
    if (!outcome_.permitted) {
      outcome_.issued.clear();
      // The service's own words, which its clients look for.
      outcome_.reason = denied_ ? "A Deny claim was issued in the authorizationrules section, authorization failed."
                                : "No Permit claim was issued in the authorizationrules section, authorization failed.";
    }
    if (auto done = configure(); !done) return std::unexpected(done.error());
    outcome_.steps = budget_.steps();
    outcome_.bytes = budget_.bytes();
    return std::move(outcome_);
  }

 private:
  [[nodiscard]] bool authorized() const { return permitted_ && !denied_; }

  [[nodiscard]] std::unexpected<Error> too_many_claims() const {
    return refused("more than " + std::to_string(budget_.limits().claims) + " claims");
  }
  static std::unexpected<Error> failed(const Rule& rule, const Error& error) {
    return fail(error.kind, "the rule at line " + std::to_string(rule.place.line) + ", column " +
                                std::to_string(rule.place.column) + " cannot be evaluated: " + one_line(error.message));
  }

  Result<void> run(rules::SectionKind section, const Rule& rule) {
    RuleTrace trace{.section = std::string(name_of(section)),
                    .place = rule.place,
                    .text = text_of(rule),
                    .action = std::string(name_of(rule.action.kind)),
                    .fired = true,
                    .conditions = {},
                    .gave = {}};
    if (!budget_.step(trace.text.size() / 64 + 1)) return refused(budget_.said());
    bound_.assign(rule.conditions.size(), {});
    for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
      const Condition& condition = rule.conditions[i];
      trace.conditions.push_back({.identifier = condition.identifier, .negated = condition.negated, .matches = {}});
      if (!trace.fired) continue;
      if (auto matched = match(condition, bound_[i]); !matched) return matched;
      ConditionTrace& shown = trace.conditions.back();
      shown.looked_at = true;
      shown.held = bound_[i].empty() == condition.negated;
      shown.matches = bound_[i];
      trace.fired = shown.held;
    }
    if (trace.fired) {
      if (auto acted = act(rule.action, trace.gave); !acted) return acted;
    }
    outcome_.trace.push_back(std::move(trace));
    return {};
  }

  // The claims that satisfy every part of the condition. What stands on the right is the same for each of them.
  Result<void> match(const Condition& condition, std::vector<std::uint32_t>& matches) {
    std::vector<ValueSet> right;
    for (const Comparison& comparison : condition.comparisons) {
      auto values = value_of(comparison.right);
      if (!values) return std::unexpected(values.error());
      const bool orders = comparison.op != Operator::kEqual && comparison.op != Operator::kNotEqual;
      if (orders && (values->size() != 1 || values->front().index() != 1)) {
        return refused("'" + std::string(name_of(comparison.op)) + "' needs one integer on its right");
      }
      right.push_back(std::move(*values));
    }
    for (std::size_t i = 0; i < outcome_.claims.size(); ++i) {
      bool satisfied = true;
      for (std::size_t part = 0; satisfied && part < right.size(); ++part) {
        satisfied = compare(outcome_.claims[i], condition.comparisons[part], right[part]);
        if (!budget_.within()) return refused(budget_.said());
      }
      if (satisfied) matches.push_back(static_cast<std::uint32_t>(i));
    }
    return {};
  }

  // Of a set on the right: == asks whether it holds the value, != whether it does not.
  bool compare(const PolicyClaim& claim, const Comparison& comparison, const ValueSet& right) {
    const ValueView left = property_of(claim, comparison.property);
    if (comparison.op == Operator::kEqual || comparison.op == Operator::kNotEqual) {
      return holds(right, left) == (comparison.op == Operator::kEqual);
    }
    budget_.step();
    const auto* number = std::get_if<std::int64_t>(&left);
    return number != nullptr && ordered(comparison.op, *number, std::get<std::int64_t>(right.front()));
  }

  bool holds(const ValueSet& set, const ValueView& value) {
    const auto* text = std::get_if<std::string_view>(&value);
    const std::size_t length = text != nullptr ? text->size() : 0;
    for (const PolicyValue& each : set) {
      const auto* other = std::get_if<std::string>(&each);
      // Texts of different length are told apart without reading them.
      const bool read = other != nullptr && other->size() == length;
      if (!budget_.step(read ? 1 + length / 256 : 1)) return false;
      if (view_of(each) == value) return true;
    }
    budget_.step();
    return false;
  }

  Result<ValueSet> value_of(const Expression& expression) {
    if (const auto* literal = std::get_if<PolicyValue>(&expression.content)) return ValueSet{*literal};
    if (const auto* reference = std::get_if<Expression::Reference>(&expression.content)) {
      ValueSet values;
      for (const std::uint32_t index : bound_[reference->condition]) {
        const PolicyClaim& claim = outcome_.claims[index];
        if (!budget_.step() || !budget_.keep(size_of(claim))) return refused(budget_.said());
        values.push_back(copy_of(property_of(claim, reference->property)));
      }
      return values;
    }
    const auto& call = std::get<Expression::Call>(expression.content);
    std::vector<ValueSet> arguments;
    for (const Expression& argument : call.arguments) {
      auto values = value_of(argument);
      if (!values) return values;
      arguments.push_back(std::move(*values));
    }
    auto result = functions_.call(call.function, arguments);
    if (result && !budget_.within()) return refused(budget_.said());
    return result;
  }

  Result<void> act(const Action& action, std::vector<PolicyClaim>& gave) {
    switch (action.kind) {
      case ActionKind::kPermit:
        permitted_ = true;
        return {};
      case ActionKind::kDeny:
        denied_ = true;
        return {};
      default:
        break;
    }
    if (auto made = claims_of(action, gave); !made) return made;
    for (const PolicyClaim& claim : gave) {
      if (!budget_.step() || !budget_.keep(2 * size_of(claim))) return refused(budget_.said());
      // With claim=c the claim is there already.
      if (!action.claim) outcome_.claims.push_back(claim);
      if (outcome_.claims.size() > budget_.limits().claims) return too_many_claims();
      if (action.kind == ActionKind::kIssue) outcome_.issued.push_back(claim);
      if (action.kind == ActionKind::kIssueProperty) outcome_.properties.push_back(claim);
    }
    return {};
  }

  Result<void> claims_of(const Action& action, std::vector<PolicyClaim>& made) {
    if (action.claim) {
      for (const std::uint32_t index : bound_[action.claim->condition]) {
        if (!budget_.keep(size_of(outcome_.claims[index]))) return refused(budget_.said());
        made.push_back(outcome_.claims[index]);
      }
      return {};
    }
    std::string type, value_type;
    ValueSet values;
    for (const rules::Assignment& assignment : action.assignments) {
      auto assigned = value_of(assignment.value);
      if (!assigned) return std::unexpected(assigned.error());
      if (assignment.property == Property::kValue) {
        values = std::move(*assigned);
        continue;
      }
      const auto* text = assigned->size() == 1 ? std::get_if<std::string>(&assigned->front()) : nullptr;
      if (text == nullptr || text->empty()) {
        return refused(std::string(name_of(assignment.property)) + " is not one string that is not empty");
      }
      if (assignment.property == Property::kType) type = *text;
      if (assignment.property == Property::kValueType) value_type = *text;
    }
    for (PolicyValue& value : values) {
      if (!value_type.empty() && value_type_of(value) != value_type) {
        return refused("valueType is " + value_type + " and the value is of type " + std::string(value_type_of(value)));
      }
      if (!budget_.step() || !budget_.keep(sizeof(PolicyClaim) + type.size())) return refused(budget_.said());
      made.push_back({.type = type, .value = std::move(value), .issuer = std::string(kIssuedByPolicy)});
    }
    return {};
  }

  Result<void> configure() {
    PolicyConfiguration& to = outcome_.configuration;
    for (const PolicyClaim& property : outcome_.properties) {
      const auto* boolean = std::get_if<bool>(&property.value);
      const auto* integer = std::get_if<std::int64_t>(&property.value);
      const auto* text = std::get_if<std::string>(&property.value);
      bool good = true;
      if (property.type == "require_valid_aik_cert") {
        good = boolean != nullptr;
        if (good) to.require_valid_aik_cert = *boolean;
      } else if (property.type == "required_pcr_mask") {
        good = integer != nullptr && *integer >= 0 && *integer <= 0xffffff;
        if (good) to.required_pcr_mask = static_cast<std::uint32_t>(*integer);
      } else if (property.type == "x-ms-sgx-tcbidentifier") {
        good = text != nullptr;
        if (good) to.sgx_tcb_identifier = *text;
      } else if (property.type == "report_validity_in_minutes") {
        good = integer != nullptr && *integer >= 1 && *integer <= 525'600;
        if (good) to.report_validity_minutes = *integer;
      } else if (property.type == "omit_x5c") {
        good = boolean != nullptr;
        if (good) to.omit_x5c = *boolean;
      }
      if (!good) return refused("the property " + property.type + " has a value that it cannot have");
    }
    return {};
  }

  const rules::Tree& tree_;
  Budget budget_;
  rules::Functions functions_;
  PolicyOutcome outcome_;
  std::vector<std::vector<std::uint32_t>> bound_;  // by condition of the rule: places in outcome_.claims
  bool permitted_ = false, denied_ = false;
};

}  // namespace

Result<PolicyOutcome> evaluate(const Policy& policy, std::span<const PolicyClaim> claims, const PolicyLimits& limits) {
  return Evaluation(policy.tree(), claims, limits).run();
}

}  // namespace coffer::attest
