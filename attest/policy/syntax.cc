#include "attest/policy/syntax.h"

#include <algorithm>
#include <utility>

namespace coffer::attest::rules {

std::string_view name_of(Property property) {
  switch (property) {
    case Property::kType:
      return "type";
    case Property::kValue:
      return "value";
    case Property::kValueType:
      return "valueType";
    case Property::kIssuer:
      return "issuer";
  }
  std::unreachable();
}

std::string_view name_of(Operator op) {
  switch (op) {
    case Operator::kEqual:
      return "==";
    case Operator::kNotEqual:
      return "!=";
    case Operator::kLess:
      return "<";
    case Operator::kLessOrEqual:
      return "<=";
    case Operator::kGreater:
      return ">";
    case Operator::kGreaterOrEqual:
      return ">=";
  }
  std::unreachable();
}

std::string_view name_of(Function function) {
  switch (function) {
    case Function::kJmesPath:
      return "JmesPath";
    case Function::kJsonToClaimValue:
      return "JsonToClaimValue";
    case Function::kIsSubsetOf:
      return "IsSubsetOf";
    case Function::kAppendString:
      return "AppendString";
    case Function::kNegateBool:
      return "NegateBool";
    case Function::kContainsOnlyValue:
      return "ContainsOnlyValue";
  }
  std::unreachable();
}

std::string_view name_of(ActionKind action) {
  switch (action) {
    case ActionKind::kPermit:
      return "permit";
    case ActionKind::kDeny:
      return "deny";
    case ActionKind::kAdd:
      return "add";
    case ActionKind::kIssue:
      return "issue";
    case ActionKind::kIssueProperty:
      return "issueproperty";
  }
  std::unreachable();
}

std::string_view name_of(SectionKind section) {
  switch (section) {
    case SectionKind::kConfiguration:
      return "configurationrules";
    case SectionKind::kAuthorization:
      return "authorizationrules";
    case SectionKind::kIssuance:
      return "issuancerules";
  }
  std::unreachable();
}

std::size_t arity_of(Function function) {
  return function == Function::kJsonToClaimValue || function == Function::kNegateBool ? 1 : 2;
}

bool Expression::operator==(const Expression&) const = default;
bool Expression::Call::operator==(const Call&) const = default;

bool Tree::same_rules(const Tree& other) const {
  const auto same_rule = [](const Rule& a, const Rule& b) {
    return a.conditions == b.conditions && a.action == b.action;
  };
  const auto same_section = [&](const Section& a, const Section& b) {
    return a.kind == b.kind && std::ranges::equal(a.rules, b.rules, same_rule);
  };
  return version == other.version && std::ranges::equal(sections, other.sections, same_section);
}

namespace {

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

std::string text_of(const PolicyValue& value) {
  if (const bool* boolean = std::get_if<bool>(&value)) return *boolean ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  return quoted(std::get<std::string>(value));
}

std::string text_of(const Expression::Reference& reference) {
  return reference.identifier + "." + std::string(name_of(reference.property));
}

std::string text_of(const Expression::Call& call) {
  std::string text = std::string(name_of(call.function)) + "(";
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    if (i > 0) text += ", ";
    text += text_of(call.arguments[i]);
  }
  return text + ")";
}

}  // namespace

std::string text_of(const Expression& expression) {
  return std::visit([](const auto& held) { return text_of(held); }, expression.content);
}

std::string text_of(const Condition& condition) {
  std::string text = condition.negated ? "!" : "";
  if (!condition.identifier.empty()) text += condition.identifier + ":";
  text += "[";
  for (std::size_t i = 0; i < condition.comparisons.size(); ++i) {
    const Comparison& each = condition.comparisons[i];
    if (i > 0) text += ", ";
    text += name_of(each.property);
    text += name_of(each.op);
    text += text_of(each.right);
  }
  return text + "]";
}

std::string text_of(const Action& action) {
  std::string text = std::string(name_of(action.kind)) + "(";
  if (action.claim) text += "claim=" + action.claim->identifier;
  for (std::size_t i = 0; i < action.assignments.size(); ++i) {
    if (i > 0) text += ", ";
    text += name_of(action.assignments[i].property);
    text += "=" + text_of(action.assignments[i].value);
  }
  return text + ")";
}

std::string text_of(const Rule& rule) {
  std::string text;
  for (std::size_t i = 0; i < rule.conditions.size(); ++i) {
    if (i > 0) text += " && ";
    text += text_of(rule.conditions[i]);
  }
  return text + (text.empty() ? "=> " : " => ") + text_of(rule.action) + ";";
}

}  // namespace coffer::attest::rules
