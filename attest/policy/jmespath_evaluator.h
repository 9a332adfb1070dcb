// Evaluates a JMESPath tree. A failure is noted once; what is answered after it does not matter.
#pragma once

#include <string>

#include "attest/policy/jmespath_syntax.h"

namespace coffer::attest::rules::jmespath {

class Evaluator {
 public:
  explicit Evaluator(Budget& budget) : budget_(budget) {}

  ValueRef evaluate(const Node& node, const ValueRef& current);
  // The value of a call, its arguments evaluated (jmespath_functions.cc).
  ValueRef call(const Node& node, std::vector<ValueRef> arguments);

  [[nodiscard]] bool good() const { return error_.empty(); }
  [[nodiscard]] const std::string& error() const { return error_; }

  // A new value, paid for.
  ValueRef make(Value::Storage storage);
  ValueRef null() { return make(Value::Null{}); }
  ValueRef fail(std::string why);
  bool step(std::uint64_t count = 1);
  [[nodiscard]] bool equal(const Value& a, const Value& b);
  [[nodiscard]] Budget& budget() { return budget_; }

 private:
  ValueRef evaluate_compare(const Node& node, const ValueRef& current);
  ValueRef evaluate_project(const Node& node, const ValueRef& current);
  ValueRef evaluate_slice(const Node& node, const ValueRef& current);
  ValueRef evaluate_flatten(const Node& node, const ValueRef& current);
  ValueRef evaluate_multi(const Node& node, const ValueRef& current);
  ValueRef evaluate_call(const Node& node, const ValueRef& current);
  ValueRef left_of(const Node& node, const ValueRef& current);

  Budget& budget_;
  std::string error_;
};

// Whether a value counts as true: all but false, null, and what is empty.
[[nodiscard]] bool is_true(const Value& value);
[[nodiscard]] const Value* member_of(const Value& value, std::string_view name);

}  // namespace coffer::attest::rules::jmespath
