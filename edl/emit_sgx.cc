// The Intel SGX SDK's dialect: C over "sgx_edger8r.h".
#include "edl/emit.h"
#include "edl/emit_edge.h"
#include "edl/marshal.h"
#include "edl/support_text.h"
#include "edl/types.h"

namespace coffer::edl {
namespace {

constexpr const char* kPreamble = "/* Generated from EDL by Coffer. Changes are lost when it is generated again. */\n";

std::string header(const Interface& interface, const Edge& edge, Side side, const std::string& prefix) {
  const bool inside = side == Side::kInside;
  Text text;
  const std::string guard = fmt::format("{}_{}_H__", upper(interface.name), inside ? "T" : "U");
  text.add(kPreamble);
  text.line("#ifndef {}\n#define {}\n", guard, guard);
  text.add(
      "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n"
      "#include <wchar.h>\n\n#include \"sgx_edger8r.h\"");
  for (const std::string& each : interface.includes) text.line("#include {}", each);
  text.line("\n#ifdef __cplusplus\nextern \"C\" {{\n#endif\n");
  emit_c_types(text, interface, "SGX_EDL_");
  const auto own = [&](const Function& function) {
    text.line("{} {}{};", spelled(function.result), function.name, parameter_list({}, function));
  };
  const auto other = [&](const Function& function, const std::string& name) {
    text.line("{};", edge.stub_prototype(function, name));
  };
  text.line("/* ECALLs: {}. */", inside ? "the enclave implements them" : "the application calls them");
  for (const auto& each : interface.ecalls) inside ? own(*each) : other(*each, prefix + each->name);
  text.line("\n/* OCALLs: {}. */", inside ? "the enclave calls them" : "the application implements them");
  for (const auto& each : interface.ocalls) inside ? other(*each, each->name) : own(*each);
  text.line("\n#ifdef __cplusplus\n}}\n#endif\n\n#endif");
  return text.str();
}

std::string source(const Interface& interface, const Edge& edge, Side side, const std::string& prefix) {
  const bool inside = side == Side::kInside;
  Text text;
  text.add(kPreamble);
  text.line("#include \"{}_{}.h\"\n\n#include <errno.h>\n", interface.name, inside ? "t" : "u");
  text.line("#define EDL_ALIGNMENT 64\n#define EDL_WRITE memcpy\n#define EDL_STRLEN strlen\n#define EDL_WCSLEN wcslen");
  text.add(kSupport);
  edge.statuses(text);
  edge.structures(text);
  if (inside) {
    for (const auto& each : interface.ecalls) edge.bridge(text, *each);
    edge.inside_tables(text);
    for (const auto& each : interface.ocalls) edge.stub(text, *each, each->name);
  } else {
    edge.outside_table(text);
    for (const auto& each : interface.ecalls) edge.stub(text, *each, prefix + each->name);
  }
  return text.str();
}

}  // namespace

std::vector<GeneratedFile> emit_sgx(const Interface& interface, const Options& options) {
  const Edge edge(interface, Dialect::kSgx);
  const std::string prefix = options.use_prefix ? interface.name + "_" : "";
  std::vector<GeneratedFile> files;
  const auto half = [&](Side side, const std::string& folder) {
    const std::string name = interface.name + (side == Side::kInside ? "_t" : "_u");
    files.push_back({in_folder(folder, name + ".h"), header(interface, edge, side, prefix)});
    if (!options.header_only) files.push_back({in_folder(folder, name + ".c"), source(interface, edge, side, prefix)});
  };
  if (options.trusted) half(Side::kInside, options.trusted_directory);
  if (options.untrusted) half(Side::kOutside, options.untrusted_directory);
  return files;
}

}  // namespace coffer::edl
