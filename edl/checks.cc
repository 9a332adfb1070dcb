#include "edl/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "edl/attribute_checks.h"
#include "edl/types.h"

namespace coffer::edl {
namespace {

// Words of C++ that C has not, nor EDL: no names in Coffer's own dialect.
bool is_cpp_word(std::string_view name) {
  static const std::set<std::string_view> words{
      "alignas", "alignof",   "and",       "asm",       "auto",     "break",    "case",    "catch",    "class",
      "concept", "const",     "consteval", "constexpr", "continue", "decltype", "default", "delete",   "do",
      "else",    "explicit",  "export",    "extern",    "false",    "for",      "friend",  "goto",     "if",
      "inline",  "mutable",   "namespace", "new",       "noexcept", "not",      "nullptr", "operator", "or",
      "private", "protected", "public",    "register",  "requires", "return",   "signed",  "sizeof",   "static",
      "switch",  "template",  "this",      "throw",     "true",     "try",      "typedef", "typeid",   "typename",
      "using",   "virtual",   "volatile",  "while",     "xor",      "std",      "coffer"};
  return words.contains(name);
}

const Declaration* find(const std::vector<Declaration>& declarations, std::string_view name) {
  for (const Declaration& each : declarations) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

class Checker {
 public:
  Checker(const Interface& interface, const Options& options, Diagnostics& diagnostics)
      : interface_(interface),
        options_(options),
        diagnostics_(diagnostics),
        attributes_(interface, options, diagnostics) {}

  void check(UserType& type) {
    if (type.kind == UserTypeKind::kEnum) return;
    if (type.members.empty()) {
      return error(type.place, fmt::format("struct or union `{}' has no members", type.name),
                   "C and C++ disagree about the size of what is empty; give it a member");
    }
    names(type.members);
    for (Declaration& member : type.members) {
      if (type.kind == UserTypeKind::kStruct) this->member(type, member);
      value_type(member);
    }
    for (Declaration& member : type.members) measured_by(type.members, member, type.name, false);
    if (type.kind == UserTypeKind::kStruct) {
      std::set<const UserType*> above;
      deep_cycle(type, type, above);
    }
  }

  void check(const Function& function) {
    names(function.parameters);
    specifiers(function);
    if (function.result.is_pointer()) {
      warn(Warning::kReturnPointer, function.place,
           fmt::format("Function `{}': The function returns a pointer, which could expose memory addresses across the "
                       "host-enclave boundary. Consider passing the pointer as an out parameter instead",
                       function.name));
    }
    for (const Declaration& parameter : function.parameters) {
      const std::size_t before = diagnostics_.all().size();
      value_type(parameter);
      if (parameter.attributes || !oe()) attributes_.check(function, parameter);
      if (diagnostics_.all().size() != before && diagnostics_.has_errors()) continue;
      pointer_warnings(function, parameter);
      portability(function, parameter);
      both_sizes(function, parameter);
      measured_by(function.parameters, parameter, function.name, true);
      deep_copies(function, parameter);
    }
  }

 private:
  [[nodiscard]] bool oe() const { return options_.dialect == Dialect::kOpenEnclave; }
  [[nodiscard]] bool native() const { return options_.dialect == Dialect::kCoffer; }

  void error(const Place& place, std::string message, std::string advice = {}, bool place_last = false) {
    diagnostics_.add({Severity::kError, place, std::move(message), std::move(advice), place_last});
  }
  void warn(Warning warning, const Place& place, const std::string& message, bool place_last = false) {
    const WarningOptions::Level level = options_.warnings.level(warning);
    if (level == WarningOptions::Level::kIgnored) return;
    diagnostics_.add({level == WarningOptions::Level::kError ? Severity::kError : Severity::kWarning,
                      place,
                      fmt::format("{} [-W{}].", message, name_of(warning)),
                      {},
                      place_last});
  }

  void names(const std::vector<Declaration>& declarations) {
    std::set<std::string_view> seen;
    for (const Declaration& each : declarations) {
      if (!seen.insert(each.name).second) {
        error(each.place, fmt::format("`{}' is declared twice", each.name), "rename one of the two");
      } else if (each.name.starts_with("edl_")) {
        error(each.place, fmt::format("`{}' begins with edl_, as names of the generated code do", each.name),
              "rename it");
      } else if (native() && is_cpp_word(each.name)) {
        cpp_word(each.place, each.name);
      }
    }
  }

  void cpp_word(const Place& place, const std::string& name) {
    error(place, fmt::format("`{}' is a word of C++, in which this dialect's code is", name), "rename it");
  }

  void value_type(const Declaration& declaration) {
    if (declaration.type.base == Base::kVoid && !declaration.type.is_pointer()) {
      error(declaration.place, fmt::format("`{}' has the type void", declaration.name),
            "give it a type, or make it void*");
    }
  }

  // --- functions

  void specifiers(const Function& function) {
    if (native() && is_cpp_word(function.name)) cpp_word(function.place, function.name);
    if (function.is_private && oe()) {
      error(function.place,
            fmt::format("Function `{}': `private' specifier is not supported by oeedger8r", function.name),
            "write public before it", true);
    }
    if (function.has_allow_list && function.trusted) {
      error(function.allow_place,
            fmt::format("Function `{}': the `allow' syntax is invalid for a trusted function (ECALL).", function.name),
            "allow(...) belongs behind an OCALL, and lists the ECALLs that may be made while it runs");
    } else if (function.has_allow_list && oe()) {
      warn(Warning::kUnsupportedAllow, function.allow_place,
           fmt::format("Function `{}': the `allow' syntax is currently unsupported. Ignored", function.name));
    }
  }

  void pointer_warnings(const Function& function, const Declaration& parameter) {
    if (!parameter.type.is_pointer() || parameter.has(AttributeKind::kUserCheck)) return;
    if (!parameter.attributes) {
      warn(Warning::kPointerInFunction, parameter.place,
           fmt::format(
               "Function `{}': `{}' is a pointer that is not serializable. Consider annotating the parameter with "
               "the direction annotation",
               function.name, parameter.name));
    }
    if (parameter.type.pointers == 1 && is_foreign(interface_, parameter.type)) {
      warn(Warning::kForeignPointer, parameter.place,
           fmt::format("Function `{}': `{}' is a pointer of a foreign type `{}' that may not be serializable. Consider "
                       "defining the type in the EDL file with proper annotations",
                       function.name, parameter.name, parameter.type.name));
    }
  }

  void portability(const Function& function, const Declaration& parameter) {
    const Type& type = parameter.type;
    if (!oe()) return;
    if (type.base != Base::kWideChar && type.base != Base::kLongDouble && type.base != Base::kLong) return;
    const char* const name = type.base == Base::kWideChar     ? "wchar_t"
                             : type.base == Base::kLongDouble ? "long double"
                             : type.is_unsigned               ? "unsigned long"
                                                              : "long";
    warn(
        Warning::kNonPortableType, parameter.place,
        fmt::format("Function `{}': `{}' has different sizes on Windows and Linux, so this enclave works on the system "
                    "only that it is built for",
                    function.name, name),
        true);
  }

  void both_sizes(const Function& function, const Declaration& parameter) {
    if (!parameter.attributes || !oe()) return;
    if (!parameter.attributes->size.empty() && !parameter.attributes->count.empty()) {
      error(parameter.place,
            fmt::format(
                "Function `{}': simultaneous `size' and `count' parameters `size' and `count' are not supported by "
                "oeedger8r.",
                function.name),
            "give the size in bytes, or the count of elements");
    }
  }

  void deep_copies(const Function& function, const Declaration& parameter) {
    const UserType* type = interface_.find(parameter.type);
    if (type == nullptr || type->kind != UserTypeKind::kStruct) return;
    const bool deep = std::any_of(type->members.begin(), type->members.end(), copied_along);
    if (!deep) return;
    if (!parameter.type.is_pointer()) {
      return error(
          parameter.place,
          fmt::format("the structure declaration `{}' specifies a deep copy is expected. Referenced by value in "
                      "function `{}' detected.",
                      type->name, function.name),
          "pass a pointer to it, or leave size and count out of its members", true);
    }
    if (parameter.has(AttributeKind::kOut) && !parameter.has(AttributeKind::kIn) && !oe()) {
      error(parameter.place,
            fmt::format(
                "the structure declaration \"{}\" specifies a deep copy, should not be used with an `out' attribute "
                "in function \"{}\".",
                type->name, function.name),
            "use [in, out], with the room for what comes back given by the caller");
    }
  }

  // --- members of structs

  void member(const UserType& type, Declaration& member) {
    if (!member.attributes) {
      if (member.type.is_pointer()) {
        warn(Warning::kPointerInStruct, member.place,
             fmt::format("struct `{}': The member `{}' is a pointer that is not serializable. Consider annotating the "
                         "member with the `count' or `size' attribute",
                         type.name, member.name));
      }
      return;
    }
    for (const Attribute& attribute : member.attributes->given) {
      const bool is_size = attribute.kind == AttributeKind::kSize || attribute.kind == AttributeKind::kCount;
      if (!is_size) {
        attributes_.refuse(attribute, "only `count' and `size' attributes can be specified for struct properties",
                           "direction comes from the parameter that points to the struct");
        return;
      }
      if (!member.type.is_pointer()) {
        attributes_.plain(member, attribute);
        return;
      }
    }
    if (member.is_array()) {
      error(member.place, fmt::format("`{}' is a pointer array", member.name),
            "give the pointers members of their own");
    } else if (member.type.base == Base::kVoid && member.type.pointers == 1 && member.attributes->size.empty()) {
      error(member.place, fmt::format("void pointer `{}' - buffer size unknown", member.name), "add size=BYTES");
    }
  }

  // What size and count name: a sibling that is a number.
  void measured_by(const std::vector<Declaration>& siblings, const Declaration& declaration, const std::string& parent,
                   bool in_function) {
    if (!declaration.attributes) return;
    for (const Product* product : {&declaration.attributes->size, &declaration.attributes->count}) {
      if (product->size() > 1 && !native()) {
        error((*product)[1].place, "a product is a size in Coffer's own dialect only",
              "use size and count, or one parameter");
      }
      for (const Value& factor : *product) {
        if (factor.is_name) measure(siblings, factor, parent, in_function);
      }
    }
  }
  void measure(const std::vector<Declaration>& siblings, const Value& factor, const std::string& parent,
               bool in_function) {
    const Declaration* found = find(siblings, factor.text);
    if (found == nullptr) {
      return error(factor.place, fmt::format("could not find declaration for `{}'.", factor.text),
                   in_function ? "size and count are numbers, or parameters of the same function"
                               : "size and count are numbers, or members of the same struct");
    }
    const Type& type = found->type;
    const bool record = type.base == Base::kStruct || type.base == Base::kUnion || interface_.find(type) != nullptr;
    // Open Enclave's users pass floating-point sizes; nobody else may.
    const bool numeric = is_integer(type.base) || type.base == Base::kNamed || type.base == Base::kEnum ||
                         (oe() && type.base != Base::kVoid);
    if (type.is_pointer() || found->is_array() || record || !numeric) {
      return error(factor.place, "size/count has invalid type.", fmt::format("make `{}' a size_t", factor.text));
    }
    if (!in_function) const_cast<Declaration*>(found)->measures = true;
    if (!is_signed_integer(type)) return;
    warn(Warning::kSignedSize, factor.place,
         fmt::format("{} `{}': The size or count parameter `{}' should not be signed",
                     in_function ? "Function" : "struct", parent, factor.text));
  }

  // A struct that is copied along with itself has no end.
  void deep_cycle(const UserType& root, const UserType& type, std::set<const UserType*>& above) {
    if (!above.insert(&type).second) return;
    for (const Declaration& member : type.members) {
      const UserType* next = copied_along(member) ? deep_struct(interface_, member) : nullptr;
      if (next == nullptr) continue;
      if (next == &root) {
        return error(member.place,
                     fmt::format("the deep copy of struct `{}' contains itself, by `{}'", root.name, member.name),
                     "a list is copied as an array; leave size and count out where only the address is meant");
      }
      deep_cycle(root, *next, above);
    }
  }

  const Interface& interface_;
  const Options& options_;
  Diagnostics& diagnostics_;
  AttributeChecks attributes_;
};

}  // namespace

void check_file(const Interface& interface, const SourceFile& file, const Options& options, Diagnostics& diagnostics) {
  Checker checker(interface, options, diagnostics);
  for (const auto& type : interface.types) {
    if (type->place.file.get() == &file) checker.check(*type);
  }
  for (const auto* list : {&interface.ecalls, &interface.ocalls}) {
    for (const auto& function : *list) {
      if (function->place.file.get() == &file) checker.check(*function);
    }
  }
}

void check_whole(const Interface& interface, const Options& options, Diagnostics& diagnostics) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  const auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  if (interface.name.empty() || !letter(interface.name.front()) ||
      !std::all_of(interface.name.begin(), interface.name.end(), fits) ||
      (options.dialect == Dialect::kCoffer && is_cpp_word(interface.name))) {
    diagnostics.error({},
                      fmt::format("{}: the file's name without .edl is no identifier, and the generated code uses it "
                                  "as one",
                                  interface.path),
                      "rename the file: letters, digits and _");
  }
  if (options.dialect == Dialect::kOpenEnclave) return;
  std::set<std::string_view> allowed;
  std::set<std::string_view> known;
  for (const auto& ecall : interface.ecalls) known.insert(ecall->name);
  for (const auto& ocall : interface.ocalls) {
    for (const AllowedName& each : ocall->allows) {
      allowed.insert(each.name);
      if (known.contains(each.name)) continue;
      diagnostics.error(each.place,
                        fmt::format("\"{}\" declared to allow unknown function \"{}\".", ocall->name, each.name),
                        "it lists ECALLs of this enclave");
    }
  }
  bool any_public = false;
  for (const auto& ecall : interface.ecalls) {
    any_public = any_public || !ecall->is_private;
    if (!ecall->is_private || allowed.contains(ecall->name)) continue;
    const auto level = options.warnings.level(Warning::kUnusedPrivate);
    if (level == WarningOptions::Level::kIgnored) continue;
    diagnostics.add({level == WarningOptions::Level::kError ? Severity::kError : Severity::kWarning, ecall->place,
                     fmt::format("private ECALL `{}' is not used by any OCALL [-Wunused-private].", ecall->name),
                     "nobody can call it: make it public, or name it in an OCALL's allow(...)", false});
  }
  if (!any_public && options.dialect == Dialect::kSgx) {
    Place place;
    if (!interface.ecalls.empty()) place = interface.ecalls.front()->place;
    diagnostics.error(place, fmt::format("the enclave `{}' contains no public root ECALL.", interface.name),
                      "make one of its ECALLs public");
  }
}

}  // namespace coffer::edl
