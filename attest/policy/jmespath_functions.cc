// The functions of the specification ("Built-in Functions"), and equals_ignore_case.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>

#include "attest/core/json_text.h"
#include "attest/core/strict_json.h"
#include "attest/policy/jmespath_evaluator.h"

namespace coffer::attest::rules::jmespath {

namespace {

using Arguments = std::vector<ValueRef>;

std::string_view type_of(const Value& value) {
  constexpr std::array<std::string_view, 8> kNames{"null",   "boolean", "number", "number",
                                                   "string", "array",   "object", "expression"};
  return kNames.at(value.storage().index());
}

// What an argument may be: letters of the types, e.g. "sa" for a string or an array; '*' is anything.
bool matches(const Value& value, std::string_view letters) {
  constexpr std::array<char, 8> kLetters{'0', 'b', 'n', 'n', 's', 'a', 'o', '&'};
  const char letter = kLetters.at(value.storage().index());
  return letters.contains(letter) || (letters == "*" && letter != '&');
}

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool less(const Value& a, const Value& b) {
  const auto* left = a.as<std::string>();
  const auto* right = b.as<std::string>();
  return left != nullptr && right != nullptr ? *left < *right : a.number() < b.number();
}

// All numbers, or all strings.
bool comparable(const Value::Array& values) {
  return std::ranges::all_of(values, [](const ValueRef& each) { return each->is_number(); }) ||
         std::ranges::all_of(values, [](const ValueRef& each) { return each->as<std::string>() != nullptr; });
}

ValueRef rounded(Evaluator& evaluator, const Value& value, double (*round)(double)) {
  if (const auto* integer = value.as<std::int64_t>()) return evaluator.make(*integer);
  const double result = round(value.number());
  if (std::abs(result) < 9e15) return evaluator.make(static_cast<std::int64_t>(result));
  return evaluator.make(result);
}

ValueRef abs_of(Evaluator& evaluator, const Arguments& arguments) {
  const auto* integer = arguments[0]->as<std::int64_t>();
  if (integer != nullptr && *integer != std::numeric_limits<std::int64_t>::min()) {
    return evaluator.make(*integer < 0 ? -*integer : *integer);
  }
  return evaluator.make(std::abs(arguments[0]->number()));
}

bool numbers_only(Evaluator& evaluator, const Value::Array& values) {
  const bool good = std::ranges::all_of(values, [](const ValueRef& each) { return each->is_number(); });
  if (!good) evaluator.fail("a list of numbers holds something else");
  return good && evaluator.step(values.size());
}

ValueRef sum_of(Evaluator& evaluator, const Arguments& arguments) {
  const auto& values = *arguments[0]->as<Value::Array>();
  if (!numbers_only(evaluator, values)) return arguments[0];
  std::int64_t whole = 0;
  double fraction = 0;
  bool exact = true;
  for (const ValueRef& each : values) {
    fraction += each->number();
    const auto* integer = each->as<std::int64_t>();
    exact = exact && integer != nullptr && !__builtin_add_overflow(whole, *integer, &whole);
  }
  return exact ? evaluator.make(whole) : evaluator.make(fraction);
}

ValueRef avg_of(Evaluator& evaluator, const Arguments& arguments) {
  const auto& values = *arguments[0]->as<Value::Array>();
  if (values.empty()) return evaluator.null();
  if (!numbers_only(evaluator, values)) return arguments[0];
  double sum = 0;
  for (const ValueRef& each : values) sum += each->number();
  return evaluator.make(sum / static_cast<double>(values.size()));
}

ValueRef contains(Evaluator& evaluator, const Arguments& arguments) {
  if (const auto* text = arguments[0]->as<std::string>()) {
    const auto* part = arguments[1]->as<std::string>();
    return evaluator.make(part != nullptr && evaluator.step(text->size() / 8 + 1) && text->contains(*part));
  }
  for (const ValueRef& each : *arguments[0]->as<Value::Array>()) {
    if (evaluator.equal(*each, *arguments[1])) return evaluator.make(true);
  }
  return evaluator.make(false);
}

ValueRef length_of(Evaluator& evaluator, const Arguments& arguments) {
  std::size_t length = 0;
  if (const auto* text = arguments[0]->as<std::string>()) {
    evaluator.step(text->size() / 64);
    length = characters_of(*text);
  } else if (const auto* array = arguments[0]->as<Value::Array>()) {
    length = array->size();
  } else {
    length = arguments[0]->as<Value::Object>()->size();
  }
  return evaluator.make(static_cast<std::int64_t>(length));
}

ValueRef join(Evaluator& evaluator, const Arguments& arguments) {
  const auto& glue = *arguments[0]->as<std::string>();
  std::string result;
  for (const ValueRef& each : *arguments[1]->as<Value::Array>()) {
    const auto* text = each->as<std::string>();
    if (text == nullptr) return evaluator.fail("join() of a list that holds something else than strings");
    if (each != arguments[1]->as<Value::Array>()->front()) result += glue;
    result += *text;
    if (!evaluator.step() || result.size() > evaluator.budget().bytes_left()) return evaluator.make(std::move(result));
  }
  return evaluator.make(std::move(result));
}

ValueRef keys(Evaluator& evaluator, const Arguments& arguments) {
  Value::Array result;
  for (const auto& [name, value] : *arguments[0]->as<Value::Object>()) {
    if (!evaluator.step()) return arguments[0];
    result.push_back(evaluator.make(name));
  }
  return evaluator.make(std::move(result));
}

ValueRef values_of(Evaluator& evaluator, const Arguments& arguments) {
  Value::Array result;
  for (const auto& [name, value] : *arguments[0]->as<Value::Object>()) {
    if (!evaluator.step()) return arguments[0];
    result.push_back(value);
  }
  return evaluator.make(std::move(result));
}

ValueRef merge(Evaluator& evaluator, const Arguments& arguments) {
  Value::Object result;
  for (const ValueRef& each : arguments) {
    Value::Object merged;
    const auto& added = *each->as<Value::Object>();
    if (!evaluator.step(added.size() + result.size())) return each;
    auto left = result.begin();
    for (const auto& member : added) {
      while (left != result.end() && left->first < member.first) merged.push_back(*left++);
      if (left != result.end() && left->first == member.first) ++left;
      merged.push_back(member);
    }
    merged.insert(merged.end(), left, result.end());
    result = std::move(merged);
  }
  return evaluator.make(std::move(result));
}

ValueRef extreme(Evaluator& evaluator, const Arguments& arguments, bool largest) {
  const auto& values = *arguments[0]->as<Value::Array>();
  if (values.empty()) return evaluator.null();
  if (!comparable(values)) return evaluator.fail("a list of numbers or of strings holds something else");
  if (!evaluator.step(values.size())) return arguments[0];
  const auto order = [](const ValueRef& a, const ValueRef& b) { return less(*a, *b); };
  return largest ? *std::ranges::max_element(values, order) : *std::ranges::min_element(values, order);
}

// The keys that an expression gives for each element.
bool keys_by(Evaluator& evaluator, const Arguments& arguments, std::vector<std::pair<ValueRef, ValueRef>>& result) {
  const Node& expression = *arguments[1]->as<Value::Reference>()->node;
  Value::Array found;
  for (const ValueRef& each : *arguments[0]->as<Value::Array>()) {
    found.push_back(evaluator.evaluate(expression, each));
    result.emplace_back(found.back(), each);
    if (!evaluator.good()) return false;
  }
  if (!comparable(found)) evaluator.fail("what to sort by is neither always a number nor always a string");
  return evaluator.good();
}

ValueRef extreme_by(Evaluator& evaluator, const Arguments& arguments, bool largest) {
  std::vector<std::pair<ValueRef, ValueRef>> keyed;
  if (!keys_by(evaluator, arguments, keyed)) return arguments[0];
  if (keyed.empty()) return evaluator.null();
  const auto order = [](const auto& a, const auto& b) { return less(*a.first, *b.first); };
  return largest ? std::ranges::max_element(keyed, order)->second : std::ranges::min_element(keyed, order)->second;
}

bool pay_for_sorting(Evaluator& evaluator, std::size_t count) {
  std::uint64_t rounds = 1;
  while ((count >> rounds) != 0) ++rounds;
  return evaluator.step(count * rounds);
}

ValueRef sort(Evaluator& evaluator, const Arguments& arguments) {
  Value::Array values = *arguments[0]->as<Value::Array>();
  if (!comparable(values)) return evaluator.fail("sort() of a list that is neither all numbers nor all strings");
  if (!pay_for_sorting(evaluator, values.size())) return arguments[0];
  std::ranges::sort(values, [](const ValueRef& a, const ValueRef& b) { return less(*a, *b); });
  return evaluator.make(std::move(values));
}

ValueRef sort_by(Evaluator& evaluator, const Arguments& arguments) {
  std::vector<std::pair<ValueRef, ValueRef>> keyed;
  if (!keys_by(evaluator, arguments, keyed) || !pay_for_sorting(evaluator, keyed.size())) return arguments[0];
  // Equal keys keep their order. (The library's stable sort is deprecated inside, which clang says.)
  std::vector<std::size_t> order(keyed.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&keyed](std::size_t a, std::size_t b) {
    if (less(*keyed[a].first, *keyed[b].first)) return true;
    return a < b && !less(*keyed[b].first, *keyed[a].first);
  });
  Value::Array values;
  for (const std::size_t place : order) values.push_back(keyed[place].second);
  return evaluator.make(std::move(values));
}

ValueRef map(Evaluator& evaluator, const Arguments& arguments) {
  const Node& expression = *arguments[0]->as<Value::Reference>()->node;
  Value::Array result;
  for (const ValueRef& each : *arguments[1]->as<Value::Array>()) {
    result.push_back(evaluator.evaluate(expression, each));
    if (!evaluator.good()) return each;
  }
  return evaluator.make(std::move(result));
}

ValueRef not_null(Evaluator& evaluator, const Arguments& arguments) {
  for (const ValueRef& each : arguments) {
    if (each->as<Value::Null>() == nullptr) return each;
  }
  return evaluator.null();
}

ValueRef reverse(Evaluator& evaluator, const Arguments& arguments) {
  if (const auto* text = arguments[0]->as<std::string>()) {
    if (!evaluator.step(text->size() / 8)) return arguments[0];
    std::string result;
    for (std::size_t end = text->size(); end > 0;) {
      std::size_t start = end - 1;
      while (start > 0 && (static_cast<unsigned char>((*text)[start]) & 0xc0) == 0x80) --start;
      result.append(*text, start, end - start);
      end = start;
    }
    return evaluator.make(std::move(result));
  }
  Value::Array values = *arguments[0]->as<Value::Array>();
  if (!evaluator.step(values.size())) return arguments[0];
  std::ranges::reverse(values);
  return evaluator.make(std::move(values));
}

ValueRef to_array(Evaluator& evaluator, const Arguments& arguments) {
  if (arguments[0]->as<Value::Array>() != nullptr) return arguments[0];
  return evaluator.make(Value::Array{arguments[0]});
}

ValueRef to_string(Evaluator& evaluator, const Arguments& arguments) {
  if (arguments[0]->as<std::string>() != nullptr) return arguments[0];
  auto text = write_value(*arguments[0], evaluator.budget());
  return text ? evaluator.make(std::move(*text)) : evaluator.fail(text.error().message);
}

ValueRef to_number(Evaluator& evaluator, const Arguments& arguments) {
  if (arguments[0]->is_number()) return arguments[0];
  const auto* text = arguments[0]->as<std::string>();
  if (text == nullptr || text->size() > 64) return evaluator.null();
  const auto number = read_json(*text);
  if (!number || !number->is_number()) return evaluator.null();
  if (number->is_number_integer() && !number->is_number_unsigned()) return evaluator.make(number->get<std::int64_t>());
  if (number->is_number_unsigned() && number->get<std::uint64_t>() <= INT64_MAX) {
    return evaluator.make(number->get<std::int64_t>());
  }
  return evaluator.make(number->get<double>());
}

ValueRef ends_with(Evaluator& evaluator, const Arguments& arguments) {
  return evaluator.make(arguments[0]->as<std::string>()->ends_with(*arguments[1]->as<std::string>()));
}
ValueRef starts_with(Evaluator& evaluator, const Arguments& arguments) {
  return evaluator.make(arguments[0]->as<std::string>()->starts_with(*arguments[1]->as<std::string>()));
}
// Letters of ASCII alone: whose case is the same everywhere. What is no string is equal to nothing.
ValueRef equals_ignore_case(Evaluator& evaluator, const Arguments& arguments) {
  const auto* a = arguments[0]->as<std::string>();
  const auto* b = arguments[1]->as<std::string>();
  if (a == nullptr || b == nullptr || !evaluator.step((a->size() + b->size()) / 16)) return evaluator.make(false);
  return evaluator.make(lower(*a) == lower(*b));
}

struct Known {
  std::string_view name;
  std::array<std::string_view, 2> arguments;  // what each may be; empty: there is none
  ValueRef (*function)(Evaluator&, const Arguments&);
  bool more = false;  // the last may stand several times
};

constexpr std::array kKnown{
    Known{"abs", {"n"}, abs_of},
    Known{"avg", {"a"}, avg_of},
    Known{"ceil", {"n"}, [](Evaluator& e, const Arguments& a) { return rounded(e, *a[0], std::ceil); }},
    Known{"contains", {"sa", "*"}, contains},
    Known{"ends_with", {"s", "s"}, ends_with},
    Known{"equals_ignore_case", {"*", "*"}, equals_ignore_case},
    Known{"floor", {"n"}, [](Evaluator& e, const Arguments& a) { return rounded(e, *a[0], std::floor); }},
    Known{"join", {"s", "a"}, join},
    Known{"keys", {"o"}, keys},
    Known{"length", {"sao"}, length_of},
    Known{"map", {"&", "a"}, map},
    Known{"max", {"a"}, [](Evaluator& e, const Arguments& a) { return extreme(e, a, true); }},
    Known{"max_by", {"a", "&"}, [](Evaluator& e, const Arguments& a) { return extreme_by(e, a, true); }},
    Known{"merge", {"o"}, merge, true},
    Known{"min", {"a"}, [](Evaluator& e, const Arguments& a) { return extreme(e, a, false); }},
    Known{"min_by", {"a", "&"}, [](Evaluator& e, const Arguments& a) { return extreme_by(e, a, false); }},
    Known{"not_null", {"*"}, not_null, true},
    Known{"reverse", {"sa"}, reverse},
    Known{"sort", {"a"}, sort},
    Known{"sort_by", {"a", "&"}, sort_by},
    Known{"starts_with", {"s", "s"}, starts_with},
    Known{"sum", {"a"}, sum_of},
    Known{"to_array", {"*"}, to_array},
    Known{"to_number", {"*"}, to_number},
    Known{"to_string", {"*"}, to_string},
    Known{"type", {"*"}, [](Evaluator& e, const Arguments& a) { return e.make(std::string(type_of(*a[0]))); }},
    Known{"values", {"o"}, values_of},
};

}  // namespace

ValueRef Evaluator::call(const Node& node, std::vector<ValueRef> arguments) {
  const auto* known = std::ranges::find(kKnown, node.name, &Known::name);
  if (known == kKnown.end()) return fail("there is no function " + node.name + "()");
  const std::size_t wanted = known->arguments[1].empty() ? 1 : 2;
  if (known->more ? arguments.size() < wanted : arguments.size() != wanted) {
    return fail(node.name + "() takes " + std::to_string(wanted) + (wanted == 1 ? " argument" : " arguments"));
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!matches(*arguments[i], known->arguments.at(std::min(i, wanted - 1)))) {
      return fail(node.name + "() does not take a value of type " + std::string(type_of(*arguments[i])));
    }
  }
  return known->function(*this, arguments);
}

}  // namespace coffer::attest::rules::jmespath
