#include "edl/emit.h"

#include <algorithm>

#include "edl/marshal.h"
#include "edl/types.h"

namespace coffer::edl {

std::string in_folder(const std::string& folder, const std::string& name) {
  if (folder.empty() || folder == ".") return name;
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& letter : result) {
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    const bool word = (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') || letter == '_';
    if (!word) letter = '_';
  }
  return result;
}

std::string free_name(const Function& function, const std::string& wanted) {
  const bool taken = std::any_of(function.parameters.begin(), function.parameters.end(),
                                 [&](const Declaration& each) { return each.name == wanted; });
  return taken ? "edl_" + wanted : wanted;
}

void emit_c_types(Text& text, const Interface& interface, std::string_view guard) {
  for (const auto& type : interface.types) {
    const bool is_enum = type->kind == UserTypeKind::kEnum;
    const char* const word = is_enum ? "enum" : type->kind == UserTypeKind::kStruct ? "struct" : "union";
    std::string subject = type->name;
    if (subject.empty() && !type->enumerators.empty()) subject = "OF_" + type->enumerators.front().name;
    const std::string macro = fmt::format("{}{}_{}", guard, upper(word), upper(subject));
    text.line("#ifndef {}\n#define {}", macro, macro);
    if (type->name.empty()) {
      text.open("enum");
    } else {
      text.open("typedef {} {}", word, type->name);
    }
    for (const Enumerator& each : type->enumerators) {
      text.line("{}{},", each.name, each.value ? " = " + each.value->text : "");
    }
    for (const Declaration& each : type->members) text.line("{};", declared(each));
    text.close(type->name.empty() ? "};" : fmt::format("}} {};", type->name));
    text.line("#endif");
    text.blank();
  }
}

std::string parameter_list(const std::vector<std::string>& first, const Function& function) {
  std::vector<std::string> all = first;
  for (const Declaration& each : function.parameters) all.push_back(declared(each));
  return all.empty() ? "(void)" : fmt::format("({})", fmt::join(all, ", "));
}

std::vector<GeneratedFile> emit(const Interface& interface, const Options& options) {
  switch (options.dialect) {
    case Dialect::kOpenEnclave:
      return emit_open_enclave(interface, options);
    case Dialect::kSgx:
      return emit_sgx(interface, options);
    case Dialect::kCoffer:
      break;
  }
  return emit_coffer(interface, options);
}

}  // namespace coffer::edl
