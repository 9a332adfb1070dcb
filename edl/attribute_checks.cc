#include "edl/attribute_checks.h"

#include <fmt/format.h>

#include "edl/types.h"

namespace coffer::edl {
namespace {

std::string_view word_of(AttributeKind kind) {
  switch (kind) {
    case AttributeKind::kIn:
      return "in";
    case AttributeKind::kOut:
      return "out";
    case AttributeKind::kSize:
      return "size";
    case AttributeKind::kCount:
      return "count";
    case AttributeKind::kString:
      return "string";
    case AttributeKind::kWideString:
      return "wstring";
    case AttributeKind::kIsPointer:
      return "isptr";
    case AttributeKind::kIsArray:
      return "isary";
    case AttributeKind::kReadOnly:
      return "readonly";
    case AttributeKind::kUserCheck:
      return "user_check";
  }
  return "";
}

bool is_bare_foreign(const Type& type) { return type.base == Base::kNamed && !type.is_pointer(); }

}  // namespace

void AttributeChecks::error(const Place& place, std::string message, std::string advice) const {
  diagnostics_.add({Severity::kError, place, std::move(message), std::move(advice), false});
}

void AttributeChecks::check(const Function& function, const Declaration& parameter) const {
  static const Attributes none;
  const Attributes& given = parameter.attributes ? *parameter.attributes : none;
  for (const Attribute& attribute : given.given) {
    if (!one(function, parameter, given, attribute)) return;
  }
  if (oe()) return;
  const bool pointing = parameter.type.is_pointer() || parameter.is_array() || given.has(AttributeKind::kIsPointer) ||
                        given.has(AttributeKind::kIsArray);
  if (pointing && !given.directed() && !given.has(AttributeKind::kUserCheck)) {
    return error(parameter.place,
                 fmt::format("`{}': pointer/array should have direction attribute or `user_check'", parameter.name),
                 "[in] copies it to the function, [out] back, [user_check] passes the bare address");
  }
  if (!given.directed()) return;
  if (parameter.type.base == Base::kVoid && parameter.type.pointers == 1 && given.size.empty()) {
    return error(parameter.place,
                 fmt::format("`{}': void pointer `{}' - buffer size unknown", function.name, parameter.name),
                 "add size=BYTES");
  }
  if (given.out() && (parameter.type.is_const || given.has(AttributeKind::kReadOnly))) {
    return error(parameter.place,
                 fmt::format("`{}': `{}' is readonly - cannot be used with `out'", function.name, parameter.name),
                 "leave const out, or [out]");
  }
}

// False: there was an error.
bool AttributeChecks::one(const Function& function, const Declaration& parameter, const Attributes& given,
                          const Attribute& attribute) const {
  switch (attribute.kind) {
    case AttributeKind::kString:
    case AttributeKind::kWideString:
      return string(function, parameter, given, attribute);
    case AttributeKind::kIsArray:
    case AttributeKind::kIsPointer:
      return named_pointer(parameter, given, attribute);
    case AttributeKind::kSize:
    case AttributeKind::kCount:
      return size(function, parameter, given, attribute);
    case AttributeKind::kIn:
    case AttributeKind::kOut:
      return direction(parameter, given, attribute);
    case AttributeKind::kReadOnly:
      return read_only(parameter, given, attribute);
    case AttributeKind::kUserCheck:
      break;
  }
  return user_check(parameter, given, attribute);
}

bool AttributeChecks::refuse(const Attribute& attribute, std::string message, std::string advice) const {
  diagnostics_.add({Severity::kError, attribute.place, std::move(message), std::move(advice), false});
  return false;
}

bool AttributeChecks::string(const Function& function, const Declaration& parameter, const Attributes& given,
                             const Attribute& attribute) const {
  if (given.out_only()) {
    return refuse(attribute, "string/wstring attribute should be used with an `in' attribute",
                  "the string that goes in says how much room there is; else use [out, size=...] char*");
  }
  if (!given.directed()) {
    return refuse(attribute, "string/wstring attributes must be used with pointer direction", "add in");
  }
  if (given.sized()) {
    return refuse(attribute, "size attributes are mutually exclusive with (w)string attribute",
                  "a string is as long as it is; leave size and count out");
  }
  if (given.has(AttributeKind::kString) && given.has(AttributeKind::kWideString)) {
    return refuse(attribute, "`string' and `wstring' are mutually exclusive", "keep the one that fits the type");
  }
  const bool wide = attribute.kind == AttributeKind::kWideString;
  const Base wanted = wide ? Base::kWideChar : Base::kChar;
  if (parameter.type.pointers != 1 || parameter.type.base != wanted || parameter.type.is_unsigned) {
    // A plain value is told so first.
    if (!parameter.type.is_pointer() && !parameter.is_array()) return plain(parameter, attribute);
    return refuse(attribute,
                  fmt::format("{}invalid `{}' attribute - `{}' is not {} pointer",
                              sgx() ? fmt::format("`{}': ", function.name) : "", word_of(attribute.kind),
                              parameter.name, wide ? "wchar_t" : "char"),
                  wide ? "make it wchar_t*" : "make it char*");
  }
  return true;
}

bool AttributeChecks::named_pointer(const Declaration& parameter, const Attributes& given,
                                    const Attribute& attribute) const {
  const std::string_view word = word_of(attribute.kind);
  if (given.has(AttributeKind::kIsArray) && given.has(AttributeKind::kIsPointer)) {
    return refuse(attribute, "`isary' cannot be used with `isptr' together", "keep what the type is");
  }
  if (!given.directed() && !given.has(AttributeKind::kUserCheck)) {
    return refuse(attribute, fmt::format("`{}' should have direction attribute or `user_check'", word),
                  "add in or out");
  }
  if (attribute.kind == AttributeKind::kIsPointer && parameter.is_array()) {
    return refuse(attribute, fmt::format("invalid parameter - `{}' is a pointer array", parameter.name),
                  "pass the elements by themselves");
  }
  if (!is_bare_foreign(parameter.type)) {
    return refuse(
        attribute,
        fmt::format("`{}' attribute is only valid for user defined type, not for `{}'", word, spelled(parameter.type)),
        "it is for types that a header defines with typedef");
  }
  if (attribute.kind == AttributeKind::kIsArray && given.sized() && !oe()) {
    return refuse(attribute, "Pointer size attributes cannot be used with foreign array",
                  "its type says how large it is");
  }
  if (attribute.kind == AttributeKind::kIsArray && parameter.is_array() && !oe()) {
    return refuse(attribute,
                  fmt::format("invalid `isary' attribute - `{}' is explicitly declared array.", parameter.name),
                  "leave isary out");
  }
  return true;
}

// Whether attributes of pointers have something to hold on to.
bool AttributeChecks::points(const Declaration& parameter, const Attributes& given) {
  return parameter.type.is_pointer() || parameter.is_array() || given.has(AttributeKind::kIsPointer) ||
         given.has(AttributeKind::kIsArray);
}
bool AttributeChecks::plain(const Declaration& declaration, const Attribute& attribute) const {
  if (declaration.type.base == Base::kNamed && attribute.kind != AttributeKind::kString &&
      attribute.kind != AttributeKind::kWideString) {
    return refuse(
        attribute,
        fmt::format("`{}' is invalid for plain type `{}'", word_of(attribute.kind), spelled(declaration.type)),
        "if the type is a pointer, add isptr; if it is an array, isary");
  }
  return refuse(attribute, fmt::format("unexpected pointer attributes for `{}'", spelled(declaration.type)),
                "values are copied anyway; leave the attributes out, or make it a pointer");
}

bool AttributeChecks::size(const Function& function, const Declaration& parameter, const Attributes& given,
                           const Attribute& attribute) const {
  if (!given.directed()) {
    return refuse(attribute, "size/count attributes must be used with pointer direction", "add in or out");
  }
  if (!points(parameter, given)) return plain(parameter, attribute);
  if (parameter.is_array() && !oe()) {
    return refuse(attribute,
                  fmt::format("`{}': invalid '{}' attribute - `{}' is explicitly declared array.", function.name,
                              word_of(attribute.kind), parameter.name),
                  "its dimensions say how large it is");
  }
  if (given.in_only() || given.out() || given.in()) {
    const UserType* deep = attribute.kind == AttributeKind::kSize ? deep_struct(interface_, parameter) : nullptr;
    if (deep != nullptr) {
      return refuse(attribute,
                    fmt::format("size attributes are invalid for the pointer of an user-defined type `{}'", deep->name),
                    "use count: deep copies are of whole structures");
    }
  }
  return true;
}

bool AttributeChecks::direction(const Declaration& parameter, const Attributes& given,
                                const Attribute& attribute) const {
  if (given.has(AttributeKind::kUserCheck)) {
    return refuse(attribute, "pointer direction and `user_check' are mutually exclusive",
                  "[user_check] copies nothing; keep one of the two");
  }
  if (!points(parameter, given)) return plain(parameter, attribute);
  if (parameter.type.is_pointer() && parameter.is_array()) {
    return refuse(attribute, fmt::format("invalid parameter - `{}' is a pointer array", parameter.name),
                  "addresses of one side mean nothing on the other; pass the elements by themselves");
  }
  return true;
}

bool AttributeChecks::read_only(const Declaration& parameter, const Attributes& given,
                                const Attribute& attribute) const {
  if (oe()) {
    return refuse(attribute, "unknown attribute: `readonly'", "make the type const");
  }
  if (!is_bare_foreign(parameter.type)) {
    return refuse(
        attribute,
        fmt::format("'readonly', attributes are only for user defined type, not for `{}'.", spelled(parameter.type)),
        "make the type const");
  }
  if (!given.has(AttributeKind::kIsPointer)) {
    return refuse(attribute, "'readonly' attribute is only used with 'isptr' attribute.", "add isptr");
  }
  return true;
}

bool AttributeChecks::user_check(const Declaration& parameter, const Attributes& given,
                                 const Attribute& attribute) const {
  if (given.directed()) {
    return refuse(attribute, "pointer direction and `user_check' are mutually exclusive",
                  "[user_check] copies nothing; keep one of the two");
  }
  if (!points(parameter, given)) {
    return refuse(attribute,
                  fmt::format("`user_check' attribute is invalid for plain type `{}'", spelled(parameter.type)),
                  "if the type is a pointer, add isptr");
  }
  return true;
}

}  // namespace coffer::edl
