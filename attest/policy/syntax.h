// A policy as the parser leaves it: plain data, read by the evaluator and the formatter.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <coffer/attest/policy.h>

namespace coffer::attest::rules {

enum class Property { kType, kValue, kValueType, kIssuer };
enum class Operator { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
enum class Function { kJmesPath, kJsonToClaimValue, kIsSubsetOf, kAppendString, kNegateBool, kContainsOnlyValue };
enum class ActionKind { kPermit, kDeny, kAdd, kIssue, kIssueProperty };
enum class SectionKind { kConfiguration, kAuthorization, kIssuance };

[[nodiscard]] std::string_view name_of(Property property);
[[nodiscard]] std::string_view name_of(Operator op);
[[nodiscard]] std::string_view name_of(Function function);
[[nodiscard]] std::string_view name_of(ActionKind action);
[[nodiscard]] std::string_view name_of(SectionKind section);
[[nodiscard]] std::size_t arity_of(Function function);

struct Expression {
  struct Reference {
    std::size_t condition = 0;  // which condition of the rule binds the identifier
    std::string identifier;
    Property property = Property::kValue;
    bool operator==(const Reference&) const = default;
  };
  struct Call {
    Function function = Function::kJmesPath;
    std::vector<Expression> arguments;
    bool operator==(const Call&) const;
  };
  std::variant<PolicyValue, Reference, Call> content;
  bool operator==(const Expression&) const;
};

struct Comparison {
  Property property = Property::kType;
  Operator op = Operator::kEqual;
  Expression right;
  bool operator==(const Comparison&) const = default;
};

struct Condition {
  bool negated = false;
  std::string identifier;
  std::vector<Comparison> comparisons;
  bool operator==(const Condition&) const = default;
};

struct Assignment {
  Property property = Property::kType;
  Expression value;
  bool operator==(const Assignment&) const = default;
};

struct Action {
  ActionKind kind = ActionKind::kPermit;
  std::optional<Expression::Reference> claim;  // claim = c: whole claims are taken over
  std::vector<Assignment> assignments;
  bool operator==(const Action&) const = default;
};

struct Comment {
  std::string text;  // without the slashes and the white space around it
  bool blank_before = false;
};

struct Rule {
  std::vector<Condition> conditions;
  Action action;
  PolicyPlace place;
  bool blank_before = false;
  std::vector<Comment> comments;  // before it, and what stood inside it
  std::string trailing_comment;   // on the line of its end
  bool has_trailing_comment = false;
};

struct Section {
  SectionKind kind = SectionKind::kAuthorization;
  std::vector<Comment> comments;  // before it
  std::vector<Rule> rules;
  std::vector<Comment> closing_comments;  // after its last rule
};

struct Tree {
  std::string text;
  int version = 10;
  std::vector<Comment> comments;  // before the version
  std::vector<Section> sections;
  std::vector<Comment> closing_comments;
  std::vector<PolicyFinding> warnings;

  // What is meant: places, comments and the text itself left out.
  [[nodiscard]] bool same_rules(const Tree& other) const;
};

// In one line, as the formatter writes it.
[[nodiscard]] std::string text_of(const Expression& expression);
[[nodiscard]] std::string text_of(const Condition& condition);
[[nodiscard]] std::string text_of(const Action& action);
[[nodiscard]] std::string text_of(const Rule& rule);

}  // namespace coffer::attest::rules
