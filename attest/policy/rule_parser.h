// The tokens of a policy as they are read, and the part of the parser that reads one rule.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/policy/lexer.h"
#include "attest/policy/syntax.h"

namespace coffer::attest::rules {

// After an error every question is answered with the end of the text, so that whoever reads comes to an end too.
class TokenStream {
 public:
  explicit TokenStream(Tokens tokens);

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] const Token& peek() const { return good_ ? tokens_.list[position_] : tokens_.list.back(); }
  Token take();
  bool accept(std::string_view symbol);
  [[nodiscard]] bool is_symbol(std::string_view symbol) const;
  bool expect(std::string_view symbol, std::string_view advice);
  [[nodiscard]] PolicyPlace last_end() const { return last_end_; }
  [[nodiscard]] std::size_t last_line() const { return last_line_; }

  void fail(PolicyPlace place, std::string message, std::string advice);
  void warn(PolicyPlace place, std::string message, std::string advice);
  // To be called at the end: the tokens may have ended because the rest could not be read.
  void fail_where_text_was_not_read() {
    if (lexical_error_) fail({}, {}, {});
  }
  [[nodiscard]] const std::vector<PolicyFinding>& findings() const { return findings_; }
  [[nodiscard]] const std::vector<PlacedComment>& comments() const { return tokens_.comments; }
  [[nodiscard]] static std::string shown(const Token& token);

 private:
  Tokens tokens_;
  std::vector<PolicyFinding> findings_;
  std::optional<PolicyFinding> lexical_error_;
  std::size_t position_ = 0;
  PolicyPlace last_end_;
  std::size_t last_line_ = 1;
  bool good_ = true;
};

// Reads one rule up to its semicolon.
class RuleParser {
 public:
  RuleParser(TokenStream& in, SectionKind section, int version) : in_(in), section_(section), version_(version) {}
  void read(Rule& rule);

 private:
  void read_condition(Rule& rule);
  void read_identifier(Condition& condition, const Rule& rule);
  void read_comparison(Condition& condition, const Rule& rule);
  std::optional<Operator> read_operator();
  std::optional<Property> read_property();
  void read_action(Rule& rule);
  std::optional<ActionKind> read_action_kind();
  void read_claim(Action& action, const Rule& rule);
  void read_assignment(Action& action, const Rule& rule);
  void check_assignment(const Action& action, const Assignment& assignment, PolicyPlace place);
  void check_assigned(const Action& action, PolicyPlace place);
  Expression read_expression(const Rule& rule, int depth);
  Expression read_word(const Rule& rule, int depth);
  Expression read_call(const Token& name, const Rule& rule, int depth);
  std::optional<std::size_t> condition_of(const Token& identifier, const Rule& rule);

  TokenStream& in_;
  SectionKind section_;
  int version_;
};

}  // namespace coffer::attest::rules
