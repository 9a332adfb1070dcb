#include "attest/policy/functions.h"

#include <algorithm>

namespace coffer::attest::rules {

namespace {

constexpr std::size_t kKeptDocuments = 8;

std::unexpected<Error> failure(Function function, const std::string& why) {
  return refused(std::string(name_of(function)) + ": " + why);
}

const std::string* text_in(const PolicyValue& value) { return std::get_if<std::string>(&value); }

std::size_t size_of(const PolicyValue& value) {
  const std::string* text = text_in(value);
  return sizeof(PolicyValue) + (text != nullptr ? text->size() : 0);
}

}  // namespace

Result<ValueSet> Functions::call(Function function, const std::vector<ValueSet>& arguments) {
  const ValueSet& first = arguments.front();
  if (function == Function::kIsSubsetOf) {
    const bool subset = std::ranges::all_of(first, [&](const PolicyValue& each) {
      return budget_.step(arguments[1].size() + 1) && std::ranges::find(arguments[1], each) != arguments[1].end();
    });
    return ValueSet{subset};
  }
  if (function == Function::kContainsOnlyValue) {
    if (arguments[1].size() != 1) {
      return failure(function,
                     "the second argument is " + std::to_string(arguments[1].size()) + " values; give it one");
    }
    const bool only = !first.empty() && budget_.step(first.size()) &&
                      std::ranges::all_of(first, [&](const PolicyValue& each) { return each == arguments[1].front(); });
    return ValueSet{only};
  }
  ValueSet result;
  const bool pairs = arity_of(function) == 2;
  for (const PolicyValue& one : first) {
    for (std::size_t i = 0; i < (pairs ? arguments[1].size() : 1); ++i) {
      if (!budget_.step()) return failure(function, budget_.said());
      auto values = apply(function, one, pairs ? &arguments[1][i] : nullptr);
      if (!values) return values;
      for (PolicyValue& value : *values) {
        if (!budget_.keep(size_of(value))) return failure(function, budget_.said());
        result.push_back(std::move(value));
      }
    }
  }
  return result;
}

Result<ValueSet> Functions::apply(Function function, const PolicyValue& first, const PolicyValue* second) {
  if (function == Function::kNegateBool) {
    const bool* value = std::get_if<bool>(&first);
    if (value == nullptr) return failure(function, "the argument is no Boolean");
    return ValueSet{!*value};
  }
  if (function == Function::kJsonToClaimValue) return json_to_claim_value(first);
  if (second == nullptr) return failure(function, "the second argument is missing");
  if (function == Function::kJmesPath) return jmes_path(first, *second);
  const std::string* front = text_in(first);
  const std::string* back = text_in(*second);
  if (front == nullptr || back == nullptr) return failure(function, "an argument is no string");
  if (front->size() + back->size() > budget_.bytes_left()) {
    budget_.keep(front->size() + back->size());
    return failure(function, budget_.said());
  }
  return ValueSet{*front + *back};
}

Result<jmespath::ValueRef> Functions::document_of(const std::string& json) {
  for (const auto& [text, document] : documents_) {
    if (text.size() == json.size() && budget_.step(text.size() / 256 + 1) && text == json) return document;
  }
  auto document = jmespath::read_value(json, budget_);
  if (!document) return document;
  if (documents_.size() == kKeptDocuments) documents_.erase(documents_.begin());
  documents_.emplace_back(json, *document);
  return document;
}

Result<ValueSet> Functions::jmes_path(const PolicyValue& json, const PolicyValue& query) {
  const std::string* text = text_in(json);
  const std::string* expression = text_in(query);
  if (text == nullptr || text->empty())
    return failure(Function::kJmesPath, "the first argument is no JSON in a string");
  if (expression == nullptr || expression->empty()) {
    return failure(Function::kJmesPath, "the second argument is no query in a string");
  }
  if (!budget_.step(expression->size() / 4 + 1)) return failure(Function::kJmesPath, budget_.said());
  const auto parsed = jmespath::Query::parse(*expression);
  if (!parsed) return failure(Function::kJmesPath, "the query cannot be read: " + parsed.error().message);
  const auto document = document_of(*text);
  if (!document) return failure(Function::kJmesPath, "the first argument: " + document.error().message);
  const auto found = parsed->search(*document, budget_);
  if (!found) return failure(Function::kJmesPath, found.error().message);
  auto written = jmespath::write_value(**found, budget_);
  if (!written) return failure(Function::kJmesPath, written.error().message);
  return ValueSet{std::move(*written)};
}

Result<ValueSet> Functions::json_to_claim_value(const PolicyValue& json) {
  const std::string* text = text_in(json);
  if (text == nullptr) return failure(Function::kJsonToClaimValue, "the argument is no JSON in a string");
  const auto document = document_of(*text);
  if (!document) return failure(Function::kJsonToClaimValue, "the argument: " + document.error().message);
  ValueSet result;
  const auto convert = [&result](const jmespath::Value& value) -> const char* {
    if (const bool* boolean = value.as<bool>()) {
      result.emplace_back(*boolean);
    } else if (const auto* integer = value.as<std::int64_t>()) {
      result.emplace_back(*integer);
    } else if (const auto* content = value.as<std::string>()) {
      result.emplace_back(*content);
    } else if (value.as<double>() != nullptr) {
      return "a fraction, or an integer of more than 64 bits, is no value of a claim";
    } else if (value.as<jmespath::Value::Null>() == nullptr) {
      return "an object, or an array within an array, is no value of a claim";
    }
    return nullptr;
  };
  const auto* array = (*document)->as<jmespath::Value::Array>();
  if (array == nullptr) {
    if (const char* why = convert(**document)) return failure(Function::kJsonToClaimValue, why);
    return result;
  }
  for (const jmespath::ValueRef& each : *array) {
    if (!budget_.step()) return failure(Function::kJsonToClaimValue, budget_.said());
    if (const char* why = convert(*each)) return failure(Function::kJsonToClaimValue, why);
  }
  return result;
}

}  // namespace coffer::attest::rules
