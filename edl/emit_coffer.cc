// Coffer's own dialect: C++ over <coffer/edge.h>.
#include <cstdlib>
#include <utility>

#include "edl/emit.h"
#include "edl/emit_edge.h"
#include "edl/marshal.h"
#include "edl/support_text.h"
#include "edl/types.h"
#include "edl/views.h"

namespace coffer::edl {
namespace {

constexpr const char* kPreamble = "// Generated from EDL by Coffer. Changes are lost when it is generated again.\n";

class Native {
 public:
  explicit Native(const Interface& interface) : interface_(interface), edge_(interface, Dialect::kCoffer) {}

  std::string types() const;
  std::string header(Side side) const;
  std::string source(Side side) const;

 private:
  // What a call to the other side returns there.
  static std::string outcome(const Function& function, Side caller);
  static std::string signature(const Function& function, bool with_enclave);
  void wrapper(Text& text, const Function& function) const;
  static void lengths(Text& text, const Function& function);
  static void failures(Text& text, Side side);

  const Interface& interface_;
  Edge edge_;
};

std::string underlying_type(const UserType& type) {
  for (const Enumerator& each : type.enumerators) {
    if (each.value && !each.value->is_name && std::strtoll(each.value->text.c_str(), nullptr, 0) > INT32_MAX) {
      return " : std::int64_t";
    }
  }
  return " : int";
}

// The parameter's type where it is C's.
std::string c_pointer(const Declaration& parameter) {
  if (!parameter.is_array()) return spelled(parameter.type);
  std::string rest;
  for (std::size_t i = 1; i < parameter.dimensions.size(); ++i) rest += "[" + parameter.dimensions[i].text + "]";
  return fmt::format("{}(*){}", spelled(parameter.type), rest);
}

std::string Native::outcome(const Function& function, Side caller) {
  return fmt::format("coffer::{}<{}>", caller == Side::kOutside ? "Result" : "Outcome", spelled(function.result));
}

std::string Native::signature(const Function& function, bool with_enclave) {
  std::vector<std::string> all;
  if (with_enclave) all.push_back("coffer::Enclave& " + free_name(function, "enclave"));
  for (const Declaration& each : function.parameters) {
    if (!is_span_length(function, each)) all.push_back(viewed(function, each));
  }
  return fmt::format("{}({})", function.name, fmt::join(all, ", "));
}

std::string Native::types() const {
  Text text;
  text.add(kPreamble);
  text.line("#pragma once\n");
  text.add("#include <cstddef>\n#include <cstdint>\n#include <cwchar>");
  for (const std::string& each : interface_.includes) text.line("#include {}", each);
  text.line("\nnamespace {} {{\n", interface_.name);
  for (const auto& type : interface_.types) {
    const char* const word = type->kind == UserTypeKind::kEnum     ? "enum"
                             : type->kind == UserTypeKind::kStruct ? "struct"
                                                                   : "union";
    // With a type of its own an enum has any value of it, whatever the other side sends.
    const bool is_enum = type->kind == UserTypeKind::kEnum;
    text.open("{}{}{}{}", word, type->name.empty() ? "" : " ", type->name, is_enum ? underlying_type(*type) : "");
    for (const Enumerator& each : type->enumerators) {
      text.line("{}{},", each.name, each.value ? " = " + each.value->text : "");
    }
    for (const Declaration& each : type->members) text.line("{};", declared(each));
    text.close("};");
    text.blank();
  }
  text.line("}}  // namespace {}", interface_.name);
  return text.str();
}

std::string Native::header(Side side) const {
  const bool inside = side == Side::kInside;
  Text text;
  text.add(kPreamble);
  text.line("#pragma once\n");
  text.add(inside ? "#include <coffer/outcome.h>" : "#include <coffer/host.h>\n#include <coffer/result.h>");
  text.add("\n#include <cstddef>\n#include <cstdint>\n#include <span>\n#include <string_view>\n");
  text.line("#include \"{}_types.h\"\n\nnamespace {} {{\n", interface_.name, interface_.name);
  text.line(
      "// ECALLs: {}.",
      inside ? "implement them; an exception that leaves one ends the call, and is an error outside" : "call them");
  for (const auto& each : interface_.ecalls) {
    if (inside) {
      text.line("{} {};", spelled(each->result), signature(*each, false));
    } else {
      text.line("[[nodiscard]] {} {};", outcome(*each, side), signature(*each, true));
    }
  }
  text.line("\n// OCALLs: {}.", inside ? "call them; what comes back is the host's word" : "implement them");
  for (const auto& each : interface_.ocalls) {
    if (inside) {
      text.line("[[nodiscard]] {} {};", outcome(*each, side), signature(*each, false));
    } else {
      text.line("{} {};", spelled(each->result), signature(*each, false));
    }
  }
  text.line("\n}}  // namespace {}", interface_.name);
  return text.str();
}

// Spans say the lengths. Where two are of the same length, they have to agree.
void Native::lengths(Text& text, const Function& function) {
  for (const Declaration& length : function.parameters) {
    if (!is_span_length(function, length)) continue;
    Type type = length.type;
    type.is_const = false;
    bool first = true;
    for (const Declaration& each : function.parameters) {
      if (view_of(function, each) != View::kSpan) continue;
      const Product& product = each.attributes->size.empty() ? each.attributes->count : each.attributes->size;
      if (product.front().text != length.name) continue;
      const std::string size = fmt::format("{}.{}()", each.name, each.attributes->size.empty() ? "size" : "size_bytes");
      if (std::exchange(first, false))
        text.line("const {0} {1} = static_cast<{0}>({2});", spelled(type), length.name, size);
      text.line("if (static_cast<std::size_t>({}) != {}) return edl_failed(\"{}\", COFFER_EDGE_INVALID);", length.name,
                size, function.name);
    }
  }
}

void Native::wrapper(Text& text, const Function& function) const {
  const Side side = function.trusted ? Side::kOutside : Side::kInside;
  text.open("{} {}", outcome(function, side), signature(function, function.trusted));
  lengths(text, function);
  std::vector<std::string> arguments;
  if (function.trusted) arguments.push_back(fmt::format("coffer::edge_enclave({})", free_name(function, "enclave")));
  if (!function.result.is_void()) {
    text.line("{} edl_result{{}};", spelled(function.result));
    arguments.push_back("&edl_result");
  }
  for (const Declaration& each : function.parameters) {
    switch (view_of(function, each)) {
      case View::kText: {
        // The other side gets a terminator too, so the text is copied where it has none for sure. NULL remains NULL.
        const char* const unit = each.has(AttributeKind::kWideString) ? "wchar_t" : "char";
        text.line("const std::basic_string<{0}> edl_text_{1}({1});", unit, each.name);
        text.line("if (edl_text_{0}.find({1}()) != edl_text_{0}.npos) return edl_failed(\"{2}\", COFFER_EDGE_INVALID);",
                  each.name, unit, function.name);
        arguments.push_back(
            fmt::format("{0}.data() != nullptr ? const_cast<{1}*>(edl_text_{0}.c_str()) : nullptr", each.name, unit));
        break;
      }
      case View::kSpan:
      case View::kFixed: {
        arguments.push_back(fmt::format("({})(std::uintptr_t){}.data()", c_pointer(each), each.name));
        break;
      }
      case View::kPlain: {
        const bool input = each.attributes && each.attributes->in_only() && each.type.pointers == 1;
        arguments.push_back(input ? fmt::format("const_cast<{}>({})", spelled(each.type), each.name) : each.name);
        break;
      }
    }
  }
  text.line("const coffer_edge_status edl_status = edl_call_{}({});", function.name, fmt::join(arguments, ", "));
  text.line("if (edl_status != COFFER_EDGE_OK) return edl_failed(\"{}\", edl_status);", function.name);
  text.add(function.result.is_void() ? "return {};" : "return edl_result;");
  text.close();
  text.blank();
}

void Native::failures(Text& text, Side side) {
  if (side == Side::kOutside) {
    text.add(
        "[[maybe_unused]] static std::unexpected<coffer::Error> edl_failed(const char* function, coffer_edge_status "
        "status) {\n"
        "  coffer::ErrorKind kind = coffer::ErrorKind::kSystem;\n"
        "  if (status == COFFER_EDGE_INVALID || status == COFFER_EDGE_UNREACHABLE || status == "
        "COFFER_EDGE_NO_FUNCTION) {\n"
        "    kind = coffer::ErrorKind::kInput;\n"
        "  } else if (status == COFFER_EDGE_MALFORMED || status == COFFER_EDGE_NOT_ALLOWED ||\n"
        "             status == COFFER_EDGE_EXCEPTION) {\n"
        "    kind = coffer::ErrorKind::kRefused;\n"
        "  } else if (status == COFFER_EDGE_LOST) {\n"
        "    kind = coffer::ErrorKind::kLost;\n"
        "  }\n"
        "  return coffer::fail(kind, std::string(function) + \": \" + coffer_edge_describe(status));\n"
        "}\n");
  } else {
    text.add(
        "[[maybe_unused]] static coffer::EnclaveError edl_failed(const char*, coffer_edge_status status) {\n"
        "  if (status == COFFER_EDGE_INVALID) return coffer::EnclaveError::kInvalid;\n"
        "  if (status == COFFER_EDGE_MALFORMED) return coffer::EnclaveError::kMalformed;\n"
        "  return coffer::EnclaveError::kSystem;\n"
        "}\n");
  }
  text.blank();
}

std::string Native::source(Side side) const {
  const bool inside = side == Side::kInside;
  Text text;
  text.add(kPreamble);
  text.line("#include \"{}_{}.h\"\n", interface_.name, inside ? "enclave" : "host");
  text.add(
      "#include <coffer/edge.h>\n\n#include <cerrno>\n#include <cstddef>\n#include <cstdint>\n#include <cstring>\n"
      "#include <cwchar>\n#include <string>\n#include <type_traits>\n");
  text.add(
      "// C that is C++ too: casts are C's.\n#pragma GCC diagnostic ignored \"-Wold-style-cast\"\n"
      "#pragma GCC diagnostic ignored \"-Wconversion\"\n"
      "#pragma GCC diagnostic ignored \"-Wshadow\"\n");
  text.add(
      "#define EDL_ALIGNMENT 64\n#define EDL_WRITE std::memcpy\n#define EDL_STRLEN std::strlen\n#define EDL_WCSLEN "
      "std::wcslen");
  text.add(kSupport);
  text.line("namespace {} {{\n", interface_.name);
  edge_.statuses(text);
  failures(text, side);
  edge_.structures(text);
  const auto& called = inside ? interface_.ocalls : interface_.ecalls;
  if (!inside) edge_.outside_table(text);
  for (const auto& each : called) {
    edge_.stub(text, *each, "edl_call_" + each->name);
    wrapper(text, *each);
  }
  if (inside) {
    for (const auto& each : interface_.ecalls) edge_.bridge(text, *each);
    edge_.inside_tables(text);
  }
  text.line("\n}}  // namespace {}", interface_.name);
  return text.str();
}

}  // namespace

std::vector<GeneratedFile> emit_coffer(const Interface& interface, const Options& options) {
  const Native emitter(interface);
  std::vector<GeneratedFile> files;
  const auto half = [&](Side side, const std::string& folder) {
    const std::string name = interface.name + (side == Side::kInside ? "_enclave" : "_host");
    files.push_back({in_folder(folder, interface.name + "_types.h"), emitter.types()});
    files.push_back({in_folder(folder, name + ".h"), emitter.header(side)});
    if (!options.header_only) files.push_back({in_folder(folder, name + ".cc"), emitter.source(side)});
  };
  if (options.trusted) half(Side::kInside, options.trusted_directory);
  if (options.untrusted) half(Side::kOutside, options.untrusted_directory);
  return files;
}

}  // namespace coffer::edl
