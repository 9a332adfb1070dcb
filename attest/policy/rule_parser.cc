#include "attest/policy/rule_parser.h"

#include <algorithm>
#include <array>

namespace coffer::attest::rules {

namespace {

constexpr std::size_t kMaxConditions = 32;
constexpr std::size_t kMaxComparisons = 32;
constexpr int kMaxCallDepth = 32;

constexpr std::array kFunctions{Function::kJmesPath,     Function::kJsonToClaimValue, Function::kIsSubsetOf,
                                Function::kAppendString, Function::kNegateBool,       Function::kContainsOnlyValue};
constexpr std::array kActions{ActionKind::kPermit, ActionKind::kDeny, ActionKind::kAdd, ActionKind::kIssue,
                              ActionKind::kIssueProperty};
constexpr std::array kProperties{Property::kType, Property::kValue, Property::kValueType, Property::kIssuer};

const PolicyValue* literal_of(const Expression& expression) { return std::get_if<PolicyValue>(&expression.content); }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// What a section allows, in words for the advice.
std::string_view actions_of(SectionKind section) {
  switch (section) {
    case SectionKind::kConfiguration:
      return "configurationrules take issueproperty(...)";
    case SectionKind::kAuthorization:
      return "authorizationrules take permit(), deny() and add(...)";
    case SectionKind::kIssuance:
      return "issuancerules take add(...), issue(...) and issueproperty(...)";
  }
  std::unreachable();
}

bool allowed_in(SectionKind section, ActionKind action) {
  switch (section) {
    case SectionKind::kConfiguration:
      return action == ActionKind::kIssueProperty;
    case SectionKind::kAuthorization:
      // `issue` here is what a published sample does; the claim is visible to later rules, as with add.
      return action == ActionKind::kPermit || action == ActionKind::kDeny || action == ActionKind::kAdd ||
             action == ActionKind::kIssue;
    case SectionKind::kIssuance:
      return action == ActionKind::kAdd || action == ActionKind::kIssue || action == ActionKind::kIssueProperty;
  }
  std::unreachable();
}

bool assigns(const Action& action, Property property) {
  return std::ranges::find(action.assignments, property, &Assignment::property) != action.assignments.end();
}

}  // namespace

void RuleParser::read(Rule& rule) {
  if (!in_.is_symbol("=>")) {
    do {
      read_condition(rule);
    } while (in_.good() && in_.accept("&&"));
  }
  if (!in_.expect("=>", "a rule is: conditions => action;")) return;
  read_action(rule);
}

void RuleParser::read_condition(Rule& rule) {
  Condition condition;
  const PolicyPlace place = in_.peek().place;
  if (rule.conditions.size() == kMaxConditions) {
    return in_.fail(place, "a rule with more than " + std::to_string(kMaxConditions) + " conditions", "use two rules");
  }
  if (in_.accept("!")) {
    condition.negated = true;
    if (version_ < 12) {
      return in_.fail(place, "'!' came with version 1.2, and this policy is older", "write version=1.2;");
    }
  }
  read_identifier(condition, rule);
  if (!in_.expect("[", "a condition is: [type==\"NAME\", value==VALUE] or c:[...]")) return;
  do {
    read_comparison(condition, rule);
  } while (in_.good() && in_.accept(","));
  if (!in_.expect("]", "close the condition with ]; there is a ',' between its parts")) return;
  rule.conditions.push_back(std::move(condition));
}

void RuleParser::read_identifier(Condition& condition, const Rule& rule) {
  if (in_.peek().kind != TokenKind::kWord) return;
  const Token name = in_.take();
  condition.identifier = name.text;
  const bool used =
      std::ranges::any_of(rule.conditions, [&name](const Condition& other) { return other.identifier == name.text; });
  if (used) {
    return in_.fail(name.place, "'" + name.text + "' stands for another condition of this rule", "take another name");
  }
  in_.expect(":", "a condition with a name is: " + name.text + ":[...]");
}

std::optional<Property> RuleParser::read_property() {
  const Token word = in_.take();
  const auto* property =
      std::ranges::find_if(kProperties, [&word](Property each) { return name_of(each) == word.text; });
  if (word.kind == TokenKind::kWord && property != kProperties.end()) return *property;
  const auto* near =
      std::ranges::find_if(kProperties, [&word](Property each) { return lower(name_of(each)) == lower(word.text); });
  in_.fail(word.place, TokenStream::shown(word) + " is no property of a claim",
           near != kProperties.end() ? "write " + std::string(name_of(*near))
                                     : "the properties are type, value, valueType and issuer");
  return std::nullopt;
}

std::optional<Operator> RuleParser::read_operator() {
  constexpr std::array kOperators{Operator::kEqual,       Operator::kNotEqual, Operator::kLess,
                                  Operator::kLessOrEqual, Operator::kGreater,  Operator::kGreaterOrEqual};
  const PolicyPlace place = in_.peek().place;
  for (const Operator op : kOperators) {
    if (in_.accept(name_of(op))) return op;
  }
  if (in_.accept("=")) {
    in_.warn(place, "a single '=' in a condition, read as ==", "write ==");
    return Operator::kEqual;
  }
  in_.fail(place, TokenStream::shown(in_.peek()) + " compares nothing", "the operators are == != < <= > >=");
  return std::nullopt;
}

void RuleParser::read_comparison(Condition& condition, const Rule& rule) {
  Comparison comparison;
  const PolicyPlace start = in_.peek().place;
  if (condition.comparisons.size() == kMaxComparisons) {
    return in_.fail(start, "a condition with more than " + std::to_string(kMaxComparisons) + " parts", "use two");
  }
  const auto property = read_property();
  if (!property) return;
  comparison.property = *property;
  const PolicyPlace place = in_.peek().place;
  const auto op = read_operator();
  if (!op) return;
  comparison.op = *op;
  const PolicyPlace right = in_.peek().place;
  comparison.right = read_expression(rule, 0);
  if (!in_.good()) return;
  const bool orders = *op != Operator::kEqual && *op != Operator::kNotEqual;
  const PolicyValue* literal = literal_of(comparison.right);
  if (orders && (*property != Property::kValue || (literal != nullptr && literal->index() != 1))) {
    return in_.fail(place, "'" + std::string(name_of(*op)) + "' orders integers alone",
                    "compare value with an integer, or use == or !=");
  }
  if (*property != Property::kValue && literal != nullptr && literal->index() != 2) {
    return in_.fail(right, std::string(name_of(*property)) + " is a string", "write it between \" and \"");
  }
  condition.comparisons.push_back(std::move(comparison));
}

std::optional<ActionKind> RuleParser::read_action_kind() {
  const Token word = in_.take();
  const auto* kind =
      std::ranges::find_if(kActions, [&word](ActionKind each) { return lower(word.text) == name_of(each); });
  if (word.kind != TokenKind::kWord || kind == kActions.end()) {
    in_.fail(word.place, TokenStream::shown(word) + " is no action", std::string(actions_of(section_)));
    return std::nullopt;
  }
  const std::string name(name_of(*kind));
  if (word.text != name)
    in_.warn(word.place, "'" + word.text + "' in other letters than the language's", "write " + name);
  if (!allowed_in(section_, *kind)) {
    in_.fail(word.place, name + " has no place in " + std::string(name_of(section_)),
             std::string(actions_of(section_)));
    return std::nullopt;
  }
  if (section_ == SectionKind::kAuthorization && *kind == ActionKind::kIssue) {
    in_.warn(word.place, "issue in authorizationrules reaches no token, and is read as add", "write add");
    return ActionKind::kAdd;
  }
  return *kind;
}

void RuleParser::read_action(Rule& rule) {
  Action action;
  const PolicyPlace place = in_.peek().place;
  const auto kind = read_action_kind();
  if (!kind) return;
  action.kind = *kind;
  if (!in_.expect("(", "an action is: " + std::string(name_of(*kind)) + "(...)")) return;
  if (*kind == ActionKind::kPermit || *kind == ActionKind::kDeny) {
    if (!in_.expect(")", std::string(name_of(*kind)) + " takes nothing: write " + std::string(name_of(*kind)) + "()")) {
      return;
    }
  } else {
    if (in_.peek().kind == TokenKind::kWord && in_.peek().text == "claim") {
      read_claim(action, rule);
    } else {
      do {
        read_assignment(action, rule);
      } while (in_.good() && in_.accept(","));
      check_assigned(action, place);
    }
    if (!in_.expect(")", "close the action with )")) return;
  }
  rule.action = std::move(action);
}

void RuleParser::read_claim(Action& action, const Rule& rule) {
  in_.take();
  if (!in_.expect("=", "write claim=c, where c:[...] is a condition of the rule")) return;
  const Token name = in_.take();
  const auto condition = condition_of(name, rule);
  if (condition) action.claim = Expression::Reference{.condition = *condition, .identifier = name.text};
}

void RuleParser::read_assignment(Action& action, const Rule& rule) {
  Assignment assignment;
  const PolicyPlace place = in_.peek().place;
  const auto property = read_property();
  if (!property) return;
  assignment.property = *property;
  if (!in_.expect("=", "write " + std::string(name_of(*property)) + "=...")) return;
  assignment.value = read_expression(rule, 0);
  if (!in_.good()) return;
  check_assignment(action, assignment, place);
  action.assignments.push_back(std::move(assignment));
}

void RuleParser::check_assignment(const Action& action, const Assignment& assignment, PolicyPlace place) {
  const std::string name(name_of(assignment.property));
  if (assigns(action, assignment.property)) {
    return in_.fail(place, name + " is given twice", "give it once");
  }
  const PolicyValue* literal = literal_of(assignment.value);
  const std::string* text = literal != nullptr ? std::get_if<std::string>(literal) : nullptr;
  switch (assignment.property) {
    case Property::kValue:
      return;
    case Property::kType:
      if (literal != nullptr && (text == nullptr || text->empty())) {
        in_.fail(place, "the type of a claim is a string that is not empty", "write type=\"NAME\"");
      }
      return;
    case Property::kValueType:
      if (text == nullptr || (*text != "String" && *text != "Integer" && *text != "Boolean")) {
        in_.fail(place, "there is no such valueType", "write \"String\", \"Integer\" or \"Boolean\", or leave it out");
      }
      return;
    case Property::kIssuer:
      // A policy that could speak in the service's name would deceive the rules after it.
      if (text == nullptr || *text != kIssuedByPolicy) {
        in_.fail(place, "what a policy adds or issues is issued by AttestationPolicy", "leave issuer out");
      }
      return;
  }
}

void RuleParser::check_assigned(const Action& action, PolicyPlace place) {
  for (const Property needed : {Property::kType, Property::kValue}) {
    if (in_.good() && !assigns(action, needed)) {
      in_.fail(place, std::string(name_of(action.kind)) + " without " + std::string(name_of(needed)) + "=",
               "write " + std::string(name_of(action.kind)) + "(type=\"NAME\", value=...) or (claim=c)");
    }
  }
}

std::optional<std::size_t> RuleParser::condition_of(const Token& identifier, const Rule& rule) {
  const auto found = std::ranges::find(rule.conditions, identifier.text, &Condition::identifier);
  if (identifier.kind != TokenKind::kWord || found == rule.conditions.end()) {
    in_.fail(identifier.place, TokenStream::shown(identifier) + " is the name of no earlier condition of this rule",
             "name a condition: c:[...], and write c or c.value");
    return std::nullopt;
  }
  if (found->negated) {
    in_.fail(identifier.place, "'" + identifier.text + "' is a condition with '!', which stands for no claim",
             "name a condition without '!'");
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - rule.conditions.begin());
}

Expression RuleParser::read_expression(const Rule& rule, int depth) {
  const Token& next = in_.peek();
  if (next.kind == TokenKind::kString) return {PolicyValue(in_.take().text)};
  if (next.kind == TokenKind::kInteger) return {PolicyValue(in_.take().integer)};
  if (next.kind == TokenKind::kWord) return read_word(rule, depth);
  in_.fail(next.place, TokenStream::shown(next) + " is no value",
           "write \"text\", an integer, true, false, c.value or a function");
  return {};
}

Expression RuleParser::read_word(const Rule& rule, int depth) {
  const Token word = in_.take();
  if (in_.is_symbol("(")) return read_call(word, rule, depth);
  if (word.text == "true") return {PolicyValue(true)};
  if (word.text == "false") return {PolicyValue(false)};
  if (!in_.is_symbol(".")) {
    in_.fail(word.place, TokenStream::shown(word) + " is no value",
             "write a string between \" and \", or a claim's property like c.value");
    return {};
  }
  const auto condition = condition_of(word, rule);
  if (!condition) return {};
  in_.take();
  const auto property = read_property();
  if (!property) return {};
  return {Expression::Reference{.condition = *condition, .identifier = word.text, .property = *property}};
}

Expression RuleParser::read_call(const Token& name, const Rule& rule, int depth) {
  const auto* function =
      std::ranges::find_if(kFunctions, [&name](Function each) { return name_of(each) == name.text; });
  if (function == kFunctions.end()) {
    in_.fail(name.place, "there is no function " + name.text,
             "the functions are JmesPath, JsonToClaimValue, IsSubsetOf, AppendString, NegateBool, ContainsOnlyValue");
    return {};
  }
  if (version_ < 12) {
    in_.fail(name.place, "functions came with version 1.2, and this policy is older", "write version=1.2;");
    return {};
  }
  if (depth == kMaxCallDepth) {
    in_.fail(name.place, "functions nested deeper than " + std::to_string(kMaxCallDepth) + " levels", "use add(...)");
    return {};
  }
  in_.take();
  Expression::Call call{.function = *function, .arguments = {}};
  if (!in_.is_symbol(")")) {
    do {
      call.arguments.push_back(read_expression(rule, depth + 1));
    } while (in_.good() && in_.accept(",") && call.arguments.size() <= arity_of(*function));
  }
  if (in_.good() && call.arguments.size() != arity_of(*function)) {
    in_.fail(name.place,
             name.text + " takes " + std::to_string(arity_of(*function)) +
                 (arity_of(*function) == 1 ? " argument" : " arguments"),
             "give it as many");
    return {};
  }
  if (!in_.expect(")", "close the function with )")) return {};
  return {std::move(call)};
}

}  // namespace coffer::attest::rules
