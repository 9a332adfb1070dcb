#include "edl/views.h"

#include <fmt/format.h>

#include <algorithm>

#include "edl/marshal.h"
#include "edl/types.h"

namespace coffer::edl {
namespace {

// The length parameter of a span; null: its size is no single parameter.
const Declaration* length_of(const Function& function, const Declaration& parameter) {
  if (!parameter.attributes || !parameter.attributes->directed()) return nullptr;
  if (parameter.type.pointers != 1 || parameter.is_array()) return nullptr;
  const Attributes& given = *parameter.attributes;
  if (given.size.empty() == given.count.empty()) return nullptr;
  const Product& product = given.size.empty() ? given.count : given.size;
  if (product.size() != 1 || !product.front().is_name) return nullptr;
  for (const Declaration& each : function.parameters) {
    if (each.name == product.front().text) return &each;
  }
  return nullptr;
}

}  // namespace

View view_of(const Function& function, const Declaration& parameter) {
  if (!parameter.attributes || !parameter.attributes->directed()) return View::kPlain;
  const Attributes& given = *parameter.attributes;
  if (given.any_string()) return given.in_only() ? View::kText : View::kPlain;
  if (parameter.is_array()) return View::kFixed;
  if (length_of(function, parameter) != nullptr) return View::kSpan;
  if (parameter.type.pointers == 1 && given.size.empty() && given.count.size() == 1 && !given.count.front().is_name) {
    return View::kFixed;
  }
  return View::kPlain;
}

bool is_span_length(const Function& function, const Declaration& parameter) {
  return std::any_of(function.parameters.begin(), function.parameters.end(),
                     [&](const Declaration& each) { return length_of(function, each) == &parameter; });
}

std::string element_type(const Declaration& parameter) {
  Type type = parameter.type;
  if (!parameter.is_array()) --type.pointers;
  const bool constant = parameter.type.is_const || !parameter.attributes->out();
  if (type.base == Base::kVoid && type.pointers == 0) return constant ? "const std::byte" : "std::byte";
  if (type.pointers == 0) type.is_const = constant;
  std::string result = spelled(type);
  if (type.pointers != 0 && constant) result += " const";
  for (std::size_t i = 1; i < parameter.dimensions.size(); ++i) result += "[" + parameter.dimensions[i].text + "]";
  return result;
}

std::string fixed_extent(const Declaration& parameter) {
  return parameter.is_array() ? parameter.dimensions.front().text : parameter.attributes->count.front().text;
}

std::string view_type(const Function& function, const Declaration& parameter) {
  switch (view_of(function, parameter)) {
    case View::kText:
      return parameter.has(AttributeKind::kWideString) ? "std::wstring_view" : "std::string_view";
    case View::kSpan:
      return fmt::format("std::span<{}>", element_type(parameter));
    case View::kFixed:
      return fmt::format("std::span<{}, {}>", element_type(parameter), fixed_extent(parameter));
    case View::kPlain:
      break;
  }
  return {};
}

std::string viewed(const Function& function, const Declaration& parameter) {
  const std::string type = view_type(function, parameter);
  if (!type.empty()) return type + " " + parameter.name;
  // What only goes in is not the function's to change.
  if (parameter.attributes && parameter.attributes->in_only() && parameter.type.pointers == 1) {
    Declaration constant = parameter;
    constant.type.is_const = true;
    return declared(constant);
  }
  return declared(parameter);
}

}  // namespace coffer::edl
