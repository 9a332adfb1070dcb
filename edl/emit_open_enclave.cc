// Open Enclave's dialect: C that builds against openenclave/edger8r/*.h, whoever wrote them.
#include "edl/emit.h"
#include "edl/marshal.h"
#include "edl/structure_helpers.h"
#include "edl/support_text.h"
#include "edl/types.h"

namespace coffer::edl {
namespace {

constexpr const char* kPreamble = "/* Generated from EDL by Coffer. Changes are lost when it is generated again. */\n";

class OpenEnclave {
 public:
  OpenEnclave(const Interface& interface, const Options& options)
      : interface_(interface), name_(interface.name), prefix_(options.use_prefix ? interface.name + "_" : "") {}

  std::string arguments_header() const;
  std::string header(Side side) const;
  std::string source(Side side) const;

 private:
  std::string stub_prototype(const Function& function, const std::string& name) const;
  std::string own_prototype(const Function& function) const;
  std::string create_prototype() const;
  void structures(Text& text) const;
  void identifiers(Text& text) const;
  void results(Text& text) const;
  void stub(Text& text, const Function& function) const;
  void stub_blocks(Text& text, const Function& function, const Marshal& marshal) const;
  void stub_answer(Text& text, const Function& function, const Marshal& marshal) const;
  void stub_deep(Text& text, const Function& function, const Marshal& marshal) const;
  void bridge(Text& text, const Function& function) const;
  void run(Text& text, const Function& function, const Marshal& marshal) const;
  void tables(Text& text, Side side) const;

  const Interface& interface_;
  std::string name_, prefix_;
};

std::string OpenEnclave::stub_prototype(const Function& function, const std::string& name) const {
  std::vector<std::string> first;
  if (function.trusted) first.push_back("oe_enclave_t* " + free_name(function, "enclave"));
  if (!function.result.is_void()) first.push_back(spelled(function.result) + "* edl_retval");
  return fmt::format("oe_result_t {}{}", name, parameter_list(first, function));
}

std::string OpenEnclave::own_prototype(const Function& function) const {
  return fmt::format("{} {}{}", spelled(function.result), function.name, parameter_list({}, function));
}

std::string OpenEnclave::create_prototype() const {
  return fmt::format(
      "oe_result_t oe_create_{}_enclave(const char* path, oe_enclave_type_t type, uint32_t flags,\n"
      "    const oe_enclave_setting_t* settings, uint32_t setting_count, oe_enclave_t** enclave)",
      name_);
}

std::string OpenEnclave::arguments_header() const {
  Text text;
  const std::string guard = fmt::format("EDGER8R_{}_ARGS_H", upper(name_));
  text.add(kPreamble);
  text.line("#ifndef {}\n#define {}\n", guard, guard);
  text.line("#include <openenclave/bits/result.h>");
  for (const std::string& each : interface_.includes) text.line("#include {}", each);
  text.blank();
  emit_c_types(text, interface_, "EDGER8R_");
  text.line("#endif");
  return text.str();
}

std::string OpenEnclave::header(Side side) const {
  const bool inside = side == Side::kInside;
  Text text;
  const std::string guard = fmt::format("EDGER8R_{}_{}_H", upper(name_), inside ? "T" : "U");
  text.add(kPreamble);
  text.line("#ifndef {}\n#define {}\n", guard, guard);
  text.line("#include <openenclave/{}.h>\n\n#include \"{}_args.h\"\n\nOE_EXTERNC_BEGIN\n", inside ? "enclave" : "host",
            name_);
  if (!inside) text.line("{};\n", create_prototype());
  text.line("/* ECALLs: {}. */", inside ? "the enclave implements them" : "the host calls them");
  for (const auto& each : interface_.ecalls) {
    text.line("{};", inside ? own_prototype(*each) : stub_prototype(*each, prefix_ + each->name));
  }
  text.line("\n/* OCALLs: {}. */", inside ? "the enclave calls them" : "the host implements them");
  for (const auto& each : interface_.ocalls) {
    text.line("{};", inside ? stub_prototype(*each, each->name) : own_prototype(*each));
  }
  text.line("\nOE_EXTERNC_END\n\n#endif");
  return text.str();
}

// Result and deep copy come first in every argument structure: the libraries on both sides look at them.
void OpenEnclave::structures(Text& text) const {
  emit_structure_helpers(text, interface_);
  for (const auto* list : {&interface_.ecalls, &interface_.ocalls}) {
    for (const auto& each : *list) {
      text.open("typedef struct _{}_args_t", each->name);
      text.add("oe_result_t oe_result;\nuint8_t* deepcopy_out_buffer;\nsize_t deepcopy_out_buffer_size;");
      Marshal(interface_, *each, Side::kOutside, Dialect::kOpenEnclave).members(text);
      text.close(fmt::format("}} {}_args_t;", each->name));
      text.blank();
    }
  }
}

void OpenEnclave::identifiers(Text& text) const {
  for (const auto* list : {&interface_.ecalls, &interface_.ocalls}) {
    const bool trusted = list == &interface_.ecalls;
    text.open("enum");
    std::size_t number = 0;
    for (const auto& each : *list) text.line("{}_fcn_id_{} = {},", name_, each->name, number++);
    text.line("{}_fcn_id_{} = OE_ENUM_MAX", name_, trusted ? "trusted_call_id_max" : "untrusted_call_max");
    text.close("};");
    text.blank();
  }
}

void OpenEnclave::results(Text& text) const {
  text.open("static oe_result_t edl_result_of(int bad)");
  text.add(
      "if (bad == 0) return OE_OK;\n"
      "if (bad == EDL_OVERFLOW) return OE_INTEGER_OVERFLOW;\n"
      "if (bad == EDL_NO_MEMORY) return OE_OUT_OF_MEMORY;\n"
      "return bad == EDL_BAD_ANSWER ? OE_FAILURE : OE_INVALID_PARAMETER;");
  text.close();
  text.blank();
}

// ------------------------------------------------------------------------------------------------------- callers

void OpenEnclave::stub(Text& text, const Function& function) const {
  const Side side = function.trusted ? Side::kOutside : Side::kInside;
  const Marshal marshal(interface_, function, side, Dialect::kOpenEnclave);
  const bool host = side == Side::kOutside;
  const std::string enclave = free_name(function, "enclave");
  // Two enclaves of one host may import the same ECALL: its stub has a name of its own and a weak one that both share.
  const std::string own_name = host ? name_ + "_" + prefix_ + function.name : function.name;
  text.open("{}", stub_prototype(function, own_name));
  if (host) {
    text.line("static uint64_t edl_global_id = OE_GLOBAL_ECALL_ID_NULL;");
  } else {
    text.line("if (oe_get_enclave_status() != OE_OK) return oe_get_enclave_status();");
  }
  text.line("oe_result_t edl_result = OE_FAILURE;\n{}_args_t edl_args;", function.name);
  text.add("int edl_bad = 0;\nsize_t edl_in_size = 0;\nsize_t edl_out_size = 0;\nsize_t edl_total = 0;");
  text.add("size_t edl_written = 0;\nuint8_t* edl_buffer = NULL;");
  text.line("memset(&edl_args, 0, sizeof(edl_args));");
  if (host) {
    text.line("#ifdef COFFER_OE_EDGE");
    for (const Declaration& each : function.parameters) {
      if (!marshal.bare_pointer(each)) continue;
      text.line(
          "if (!coffer_oe_reaches({0}, \"{1}\", \"{2}\", (const void*)(uintptr_t){2})) return OE_INVALID_PARAMETER;",
          enclave, function.name, each.name);
    }
    text.line("#endif");
  }
  marshal.fill(text);
  text.add(
      "edl_add(&edl_total, edl_in_size, &edl_bad);\nedl_add(&edl_total, edl_out_size, &edl_bad);\n"
      "if (edl_bad != 0) return edl_result_of(edl_bad);");
  stub_blocks(text, function, marshal);
  text.close();
  if (host) text.line("OE_WEAK_ALIAS({}, {});", own_name, prefix_ + function.name);
  text.blank();
}

void OpenEnclave::stub_blocks(Text& text, const Function& function, const Marshal& marshal) const {
  const bool host = function.trusted;
  const std::string enclave = free_name(function, "enclave");
  const char* const kind = function.switchless ? "switchless_" : "";
  if (host) {
    text.line("#ifdef COFFER_OE_EDGE\nedl_buffer = (uint8_t*)coffer_oe_call_buffer({}, edl_total);", enclave);
    text.line("#else\nedl_buffer = (uint8_t*)oe_malloc(edl_total);\n#endif");
  } else {
    text.line("edl_buffer = (uint8_t*)oe_allocate_{}ocall_buffer(edl_total);", kind);
  }
  text.line("if (edl_buffer == NULL) return OE_OUT_OF_MEMORY;");
  text.open("");
  text.line("edl_block edl_in = {{edl_buffer, edl_in_size, 0, 0}};");
  text.line("edl_block edl_out = {{edl_buffer + edl_in_size, edl_out_size, 0, 0}};");
  marshal.write(text);
  text.line("edl_result = edl_result_of(edl_in.bad);");
  text.open("if (edl_result == OE_OK)");
  const char* const direction = host ? "enclave" : "host";
  if (host) {
    text.line("edl_result = oe_{}call_enclave_function({}, &edl_global_id, _{}_ecall_info_table[{}_fcn_id_{}].name,",
              kind, enclave, name_, name_, function.name);
  } else {
    text.line("edl_result = oe_{}call_{}_function({}_fcn_id_{},", kind, direction, name_, function.name);
  }
  text.line("    edl_in.base, edl_in_size, edl_out.base, edl_out_size, &edl_written);");
  text.close();
  text.line("if (edl_result == OE_OK && edl_written != edl_out_size) edl_result = OE_FAILURE;");
  stub_answer(text, function, marshal);
  text.close();
  if (host) {
    text.line("#ifdef COFFER_OE_EDGE\ncoffer_oe_free_call_buffer({}, edl_buffer);", enclave);
    text.line("#else\noe_free(edl_buffer);\n#endif");
  } else {
    text.line("oe_free_{}ocall_buffer(edl_buffer);", kind);
  }
  text.line("return edl_result;");
}

void OpenEnclave::stub_answer(Text& text, const Function& function, const Marshal& marshal) const {
  text.open("if (edl_result == OE_OK)");
  text.line("{}_args_t edl_answer;", function.name);
  text.line("edl_get(&edl_out, &edl_answer, sizeof(edl_answer));");
  text.line("edl_result = edl_answer.oe_result;");
  text.open("if (edl_result == OE_OK)");
  marshal.read(text);
  if (marshal.deep_out()) stub_deep(text, function, marshal);
  text.line("edl_result = edl_result_of(edl_out.bad);");
  text.close();
  text.open("if (edl_result == OE_OK)");
  if (!function.result.is_void()) {
    text.line("if (edl_retval != NULL) *edl_retval = {};", Marshal::as_own(function.result, "edl_answer.oe_retval"));
  }
  if (!function.trusted && function.propagate_errno) text.line("oe_errno = edl_answer.ocall_errno;");
  text.close();
  text.close();
}

// Open Enclave's libraries have copied the packed buffer to this side's memory; Coffer's copies it here, where no
// address of it can be changed in between.
void OpenEnclave::stub_deep(Text& text, const Function& function, const Marshal& marshal) const {
  text.line("uint8_t* edl_deep = edl_answer.deepcopy_out_buffer;");
  if (!function.trusted) {
    text.line("#ifdef COFFER_OE_EDGE");
    text.line(
        "edl_deep = edl_deep != NULL ? coffer_oe_take_deep_copy(edl_deep, edl_answer.deepcopy_out_buffer_size) : "
        "NULL;");
    text.line(
        "if (edl_deep == NULL && edl_answer.deepcopy_out_buffer != NULL) edl_fail(&edl_out.bad, "
        "EDL_BAD_ANSWER);\n#else");
    text.open("if (edl_deep != NULL && !oe_is_within_enclave(edl_deep, edl_answer.deepcopy_out_buffer_size))");
    text.line("edl_deep = NULL;");
    text.line("edl_fail(&edl_out.bad, EDL_BAD_ANSWER);");
    text.close();
    text.line("#endif");
  }
  text.line(
      "edl_block edl_unpack = {{edl_deep, edl_deep != NULL ? edl_answer.deepcopy_out_buffer_size : 0, 0, "
      "edl_out.bad}};");
  marshal.unpack_deep_out(text);
  text.line("oe_free(edl_deep);");
}

// ------------------------------------------------------------------------------------------------------- bridges

void OpenEnclave::bridge(Text& text, const Function& function) const {
  const bool inside = function.trusted;
  const Marshal marshal(interface_, function, inside ? Side::kInside : Side::kOutside, Dialect::kOpenEnclave);
  text.line("static void {}_{}(const uint8_t* edl_input, size_t edl_input_size, uint8_t* edl_output,",
            inside ? "ecall" : "ocall", function.name);
  text.open("    size_t edl_output_size, size_t* edl_output_written)");
  marshal.received(text, function.name + "_args_t");
  text.line("{0}_args_t* const edl_answer = ({0}_args_t*)edl_output;", function.name);
  text.line("edl_block edl_in = {{(uint8_t*)(uintptr_t)edl_input, edl_input_size, 0, 0}};");
  text.line("edl_block edl_out = {{edl_output, edl_output_size, 0, 0}};");
  for (const Declaration& each : function.parameters) {
    if (!marshal.marshalled(each)) continue;
    text.line("uint8_t* edl_p_{} = NULL;", each.name);
    if (inside && each.attributes->in() && each.attributes->out() && deep_struct(interface_, each) != nullptr) {
      text.line("void* edl_sent_{} = NULL;", each.name);
    }
  }
  if (inside) {
    text.add(
        "if (!oe_is_within_enclave(edl_input, edl_input_size)) return;\n"
        "if (!oe_is_within_enclave(edl_output, edl_output_size)) return;");
  } else {
    text.line("if (edl_input == NULL || edl_output == NULL) return;");
  }
  text.line("if (edl_output_size < EDL_ALIGNED(sizeof(*edl_answer))) return;");
  marshal.take_arguments(text);
  text.line("(void)edl_make(&edl_out, sizeof(*edl_answer));");
  text.line("memset(edl_answer, 0, sizeof(*edl_answer));");
  text.open("if (edl_in.bad == 0)");
  marshal.locate(text);
  text.close();
  text.add(
      "if (edl_in.offset != edl_in.size || edl_out.offset != edl_out.size) edl_fail(&edl_in.bad, EDL_MALFORMED);\n"
      "edl_fail(&edl_out.bad, edl_in.bad);");
  text.open("if (edl_out.bad == 0)");
  // Behind the last check: not even in passing does the function run with sizes that do not fit.
  if (inside) text.line("oe_lfence();");
  run(text, function, marshal);
  text.close();
  if (inside) {
    // A call that failed brings nothing back but that it did.
    text.line("if (edl_out.bad != 0) memset(edl_output, 0, edl_output_size);");
    marshal.clean_result(text);
  }
  text.line("edl_answer->oe_result = edl_result_of(edl_out.bad);");
  text.line("*edl_output_written = edl_output_size;");
  text.close();
  text.blank();
}

void OpenEnclave::run(Text& text, const Function& function, const Marshal& marshal) const {
  const std::string call = fmt::format("{}({})", function.name, fmt::join(marshal.arguments(), ", "));
  text.line("{}{};", function.result.is_void() ? "" : "edl_answer->oe_retval = ", call);
  if (!function.trusted && function.propagate_errno) text.line("edl_answer->ocall_errno = errno;");
  marshal.clean(text);
  if (!marshal.deep_out()) return;
  text.line("uint8_t* edl_deep = NULL;\nsize_t edl_deep_size = 0;");
  marshal.pack_deep_out(text);
  text.line("edl_answer->deepcopy_out_buffer = edl_deep;");
  text.line("edl_answer->deepcopy_out_buffer_size = edl_deep_size;");
}

// -------------------------------------------------------------------------------------------------------- sources

void OpenEnclave::tables(Text& text, Side side) const {
  const bool inside = side == Side::kInside;
  const auto& served = inside ? interface_.ecalls : interface_.ocalls;
  if (inside) {
    text.open("oe_ecall_func_t oe_ecalls_table[] =");
  } else {
    text.open("static const oe_ocall_func_t _{}_ocall_function_table[] =", name_);
  }
  for (const auto& each : served) {
    text.line("({}){}_{},", inside ? "oe_ecall_func_t" : "oe_ocall_func_t", inside ? "ecall" : "ocall", each->name);
  }
  text.line("NULL");
  text.close("};");
  if (inside) {
    text.line("size_t oe_ecalls_table_size = {};", served.size());
    text.line("#ifdef COFFER_OE_EDGE");
    for (const auto* list : {&interface_.ecalls, &interface_.ocalls}) {
      text.open("const char* const coffer_oe_{}_names[] =", list == &interface_.ecalls ? "ecall" : "ocall");
      for (const auto& each : *list) text.line("\"{}\",", each->name);
      text.line("NULL");
      text.close("};");
    }
    text.line("const size_t coffer_oe_ocall_count = {};\n#endif", interface_.ocalls.size());
  } else {
    text.blank();
    text.open("{}", create_prototype());
    text.line("return oe_create_enclave(path, type, flags, settings, setting_count, _{}_ocall_function_table, {},",
              name_, interface_.ocalls.size());
    text.line("    _{}_ecall_info_table, {}, enclave);", name_, interface_.ecalls.size());
    text.close();
  }
}

std::string OpenEnclave::source(Side side) const {
  const bool inside = side == Side::kInside;
  Text text;
  text.add(kPreamble);
  text.line("#include \"{}_{}.h\"\n\n#include <openenclave/edger8r/{}.h>", name_, inside ? "t" : "u",
            inside ? "enclave" : "host");
  if (!inside) text.line("\n#include <errno.h>\n#include <stdlib.h>\n#include <string.h>\n#include <wchar.h>");
  text.line("#include <stddef.h>\n#include <stdint.h>\n");
  text.line("OE_EXTERNC_BEGIN\n");
  text.line(
      "#define EDL_ALIGNMENT 16\n#define EDL_WRITE {}\n#define EDL_STRLEN oe_strlen\n#define EDL_WCSLEN oe_wcslen",
      inside ? "oe_memcpy_with_barrier" : "memcpy");
  text.add(kSupport);
  results(text);
  identifiers(text);
  structures(text);
  if (!inside) {
    text.open("static const oe_ecall_info_t _{}_ecall_info_table[] =", name_);
    for (const auto& each : interface_.ecalls) text.line("{{\"{}\"}},", each->name);
    text.line("{{NULL}}");
    text.close("};");
    text.blank();
  }
  for (const auto& each : interface_.ecalls) inside ? bridge(text, *each) : stub(text, *each);
  for (const auto& each : interface_.ocalls) inside ? stub(text, *each) : bridge(text, *each);
  tables(text, side);
  text.line("\nOE_EXTERNC_END");
  return text.str();
}

}  // namespace

std::vector<GeneratedFile> emit_open_enclave(const Interface& interface, const Options& options) {
  const OpenEnclave emitter(interface, options);
  std::vector<GeneratedFile> files;
  const auto half = [&](Side side, const std::string& folder) {
    const std::string name = interface.name + (side == Side::kInside ? "_t" : "_u");
    files.push_back({in_folder(folder, interface.name + "_args.h"), emitter.arguments_header()});
    files.push_back({in_folder(folder, name + ".h"), emitter.header(side)});
    if (!options.header_only) files.push_back({in_folder(folder, name + ".c"), emitter.source(side)});
  };
  if (options.trusted) half(Side::kInside, options.trusted_directory);
  if (options.untrusted) half(Side::kOutside, options.untrusted_directory);
  return files;
}

}  // namespace coffer::edl
