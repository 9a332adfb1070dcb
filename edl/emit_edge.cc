#include "edl/emit_edge.h"

#include "edl/emit.h"
#include "edl/structure_helpers.h"
#include "edl/types.h"
#include "edl/views.h"

namespace coffer::edl {
namespace {

std::size_t number_of(const std::vector<std::shared_ptr<Function>>& functions, std::string_view name) {
  std::size_t number = 0;
  for (const auto& each : functions) {
    if (each->name == name) break;
    ++number;
  }
  return number;
}

}  // namespace

Edge::Edge(const Interface& interface, Dialect dialect) : interface_(interface), dialect_(dialect) {
  const bool sgx = !native();
  status_ = sgx ? "sgx_status_t" : "coffer_edge_status";
  ok_ = sgx ? "SGX_SUCCESS" : "COFFER_EDGE_OK";
  invalid_ = sgx ? "SGX_ERROR_INVALID_PARAMETER" : "COFFER_EDGE_INVALID";
  no_memory_ = sgx ? "SGX_ERROR_OUT_OF_MEMORY" : "COFFER_EDGE_NO_MEMORY";
  malformed_ = sgx ? "SGX_ERROR_UNEXPECTED" : "COFFER_EDGE_MALFORMED";
  functions_ = sgx ? "sgx_edge_" : "coffer_edge_";
  suffix_ = sgx ? "_t" : "";
}

std::string Edge::arguments_type(const Function& function) const {
  return native() ? function.name + "_arguments" : "ms_" + function.name + "_t";
}

void Edge::structures(Text& text) const {
  emit_structure_helpers(text, interface_);
  for (const auto* list : {&interface_.ecalls, &interface_.ocalls}) {
    for (const auto& each : *list) {
      text.open("typedef struct {}", arguments_type(*each));
      const std::size_t before = text.str().size();
      Marshal(interface_, *each, Side::kOutside, dialect_).members(text);
      // Structures without members have different sizes in C and C++.
      if (text.str().size() == before) text.line("uint64_t edl_nothing;");
      text.close(fmt::format("}} {};", arguments_type(*each)));
      text.blank();
    }
  }
}

void Edge::statuses(Text& text) const {
  text.open("EDL_HELPER {} edl_status_of(int bad)", status_);
  text.line("if (bad == 0) return {};", ok_);
  text.line("if (bad == EDL_NO_MEMORY) return {};", no_memory_);
  text.line("return bad == EDL_OVERFLOW ? {} : {};", invalid_, malformed_);
  text.close();
  text.blank();
}

std::string Edge::stub_prototype(const Function& function, const std::string& name) const {
  std::vector<std::string> first;
  if (function.trusted) {
    first.push_back(native() ? "coffer_edge_enclave* edl_enclave" : "sgx_enclave_id_t " + free_name(function, "eid"));
  }
  if (!function.result.is_void()) {
    first.push_back(spelled(function.result) + "* " + (native() ? "edl_retval" : free_name(function, "retval")));
  }
  return fmt::format("{} {}{}", status_, name, parameter_list(first, function));
}

// ---------------------------------------------------------------------------------------------------------- stubs

void Edge::stub(Text& text, const Function& function, const std::string& name) const {
  const bool outside = function.trusted;
  const Marshal marshal(interface_, function, outside ? Side::kOutside : Side::kInside, dialect_);
  const std::string enclave = native() ? "edl_enclave" : free_name(function, "eid");
  text.open("{}{}", native() ? "static " : "", stub_prototype(function, name));
  text.line("{} edl_status = {};", status_, ok_);
  text.line("{}blocks{} edl_blocks;", functions_, suffix_);
  text.line("{} edl_args;", arguments_type(function));
  text.add(
      "int edl_bad = 0;\nsize_t edl_in_size = 0;\nsize_t edl_out_size = 0;\nmemset(&edl_args, 0, sizeof(edl_args));");
  for (const Declaration& each : function.parameters) {
    if (!outside || !marshal.bare_pointer(each)) continue;
    text.line("if (!{0}reaches({1}, \"{2}\", \"{3}\", (const void*)(uintptr_t){3})) return {4};", functions_, enclave,
              function.name, each.name, native() ? "COFFER_EDGE_UNREACHABLE" : invalid_);
  }
  marshal.fill(text);
  text.line("if (edl_bad != 0) return edl_status_of(edl_bad);");
  if (outside) {
    text.line("edl_status = {}begin({}, edl_in_size, edl_out_size, &edl_blocks);", functions_, enclave);
  } else {
    text.line("edl_status = {}ocall_begin(edl_in_size, edl_out_size, &edl_blocks);", functions_);
  }
  text.line("if (edl_status != {}) return edl_status;", ok_);
  text.open("");
  stub_call(text, function, marshal);
  text.close();
  text.line("{}{};", functions_, outside ? fmt::format("end({}, &edl_blocks)", enclave) : "ocall_end(&edl_blocks)");
  text.line("return edl_status;");
  text.close();
  text.blank();
}

void Edge::stub_call(Text& text, const Function& function, const Marshal& marshal) const {
  const bool outside = function.trusted;
  const std::string enclave = native() ? "edl_enclave" : free_name(function, "eid");
  const std::string retval = native() ? "edl_retval" : free_name(function, "retval");
  text.line("edl_block edl_in = {{(uint8_t*)edl_blocks.input, edl_in_size, 0, 0}};");
  text.line("edl_block edl_out = {{(uint8_t*)edl_blocks.output, edl_out_size, 0, 0}};");
  marshal.write(text);
  text.line("edl_status = edl_status_of(edl_in.bad);");
  if (outside) {
    text.line("if (edl_status == {}) edl_status = {}call({}, {}, \"{}\", {}, &edl_ocall_table, &edl_blocks);", ok_,
              functions_, enclave, number_of(interface_.ecalls, function.name), function.name,
              function.switchless ? 1 : 0);
  } else {
    text.line("if (edl_status == {}) edl_status = {}ocall_call({}, &edl_blocks);", ok_, functions_,
              number_of(interface_.ocalls, function.name));
  }
  text.open("if (edl_status == {})", ok_);
  text.line("{} edl_answer;", arguments_type(function));
  text.line("edl_get(&edl_out, &edl_answer, sizeof(edl_answer));");
  marshal.read(text);
  text.line("edl_status = edl_status_of(edl_out.bad);");
  const bool answers = !function.result.is_void() || function.propagate_errno;
  if (answers) {
    text.open("if (edl_status == {})", ok_);
    if (!function.result.is_void())
      text.line("if ({0} != NULL) *{0} = {1};", retval, Marshal::as_own(function.result, "edl_answer.edl_result"));
    if (function.propagate_errno) text.line("errno = edl_answer.edl_errno;");
    text.close();
  }
  text.close();
}

// -------------------------------------------------------------------------------------------------------- bridges

std::string Edge::call_expression(const Function& function, const Marshal& marshal) const {
  if (!native()) return fmt::format("{}({})", function.name, fmt::join(marshal.arguments(), ", "));
  std::vector<std::string> arguments;
  for (const Declaration& each : function.parameters) {
    if (is_span_length(function, each)) continue;
    const std::string type = view_type(function, each);
    const std::string at = "edl_p_" + each.name;
    switch (view_of(function, each)) {
      case View::kPlain:
        arguments.push_back(marshal.argument(each));
        break;
      case View::kText: {
        const std::string size = "edl_args->edl_size_" + each.name;
        const char* const unit = each.has(AttributeKind::kWideString) ? "wchar_t" : "char";
        arguments.push_back(
            fmt::format("{0} != NULL ? {1}((const {2}*){0}, {3} / sizeof({2}) - 1) : {1}()", at, type, unit, size));
        break;
      }
      case View::kSpan:
        arguments.push_back(fmt::format("{0} != NULL ? {1}(({2}*){0}, edl_args->edl_size_{3} / sizeof({2})) : {1}()",
                                        at, type, element_type(each), each.name));
        break;
      case View::kFixed:
        arguments.push_back(
            fmt::format("{}((std::add_pointer_t<{}>){}, {})", type, element_type(each), at, fixed_extent(each)));
        break;
    }
  }
  return fmt::format("{}::{}({})", interface_.name, function.name, fmt::join(arguments, ", "));
}

void Edge::bridge(Text& text, const Function& function) const {
  const bool inside = function.trusted;
  const Marshal marshal(interface_, function, inside ? Side::kInside : Side::kOutside, dialect_);
  const std::string type = arguments_type(function);
  text.line("static {} edl_{}_{}({}void* edl_input, size_t edl_input_size, void* edl_output,", status_,
            inside ? "ecall" : "ocall", function.name, inside ? "" : "const ");
  text.open("    size_t edl_output_size)");
  marshal.received(text, type);
  text.line("{0}* const edl_answer = ({0}*)edl_output;", type);
  text.line("edl_block edl_in = {{(uint8_t*)(uintptr_t)edl_input, edl_input_size, 0, 0}};");
  text.line("edl_block edl_out = {{(uint8_t*)edl_output, edl_output_size, 0, 0}};");
  for (const Declaration& each : function.parameters) {
    if (!marshal.marshalled(each)) continue;
    text.line("uint8_t* edl_p_{} = NULL;", each.name);
    if (inside && each.attributes->in() && each.attributes->out() && deep_struct(interface_, each) != nullptr) {
      text.line("void* edl_sent_{} = NULL;", each.name);
    }
  }
  marshal.take_arguments(text);
  text.line("(void)edl_make(&edl_out, sizeof(*edl_answer));");
  text.line("if (edl_in.bad != 0 || edl_out.bad != 0) return {};", malformed_);
  text.line("memset(edl_answer, 0, sizeof(*edl_answer));");
  marshal.locate(text);
  // What Coffer's dialect takes for text or fixed spans is there.
  for (const Declaration& each : function.parameters) {
    if (native() && view_of(function, each) == View::kFixed) {
      text.line("if (edl_p_{} == NULL) edl_fail(&edl_in.bad, EDL_MALFORMED);", each.name);
    }
  }
  text.line(
      "if (edl_in.offset != edl_in.size || edl_out.offset != edl_out.size) edl_fail(&edl_in.bad, EDL_MALFORMED);");
  text.line("edl_fail(&edl_out.bad, edl_in.bad);");
  text.line("if (edl_out.bad != 0) return {};", malformed_);
  // Behind the last check: not even in passing does the function run with sizes that do not fit.
  if (inside) text.line("__builtin_ia32_lfence();");
  run(text, function, marshal);
  marshal.clean(text);
  marshal.clean_result(text);
  text.line("return {};", ok_);
  text.close();
  text.blank();
}

void Edge::run(Text& text, const Function& function, const Marshal& marshal) const {
  const std::string call = fmt::format(
      "{}{};", function.result.is_void() ? "" : "edl_answer->edl_result = ", call_expression(function, marshal));
  if (native()) {
    // No exception passes the border: what it says may be secret, and its type is unknown there.
    text.add("#if defined(__cpp_exceptions)\ntry {\n#endif");
    text.add(call);
    text.add("#if defined(__cpp_exceptions)\n} catch (...) {\n  return COFFER_EDGE_EXCEPTION;\n}\n#endif");
  } else {
    text.add(call);
  }
  if (function.propagate_errno) text.line("edl_answer->edl_errno = errno;");
}

// --------------------------------------------------------------------------------------------------------- tables

void Edge::outside_table(Text& text) const {
  for (const auto& each : interface_.ocalls) bridge(text, *each);
  const std::size_t count = interface_.ocalls.size();
  text.open("static const {}ocall_bridge{} edl_ocall_bridges[] =", functions_, suffix_);
  for (const auto& each : interface_.ocalls) text.line("edl_ocall_{},", each->name);
  text.line("NULL");
  text.close("};");
  text.open("static const char* const edl_ocall_names[] =");
  for (const auto& each : interface_.ocalls) text.line("\"{}\",", each->name);
  text.line("NULL");
  text.close("};");
  text.line("static const {}ocall_table{} edl_ocall_table = {{{}, edl_ocall_bridges, edl_ocall_names, \"{}\"}};",
            functions_, suffix_, count, interface_.name);
  text.blank();
}

void Edge::inside_tables(Text& text) const {
  text.open("static const {}ecall{} edl_ecalls[] =", functions_, suffix_);
  for (const auto& each : interface_.ecalls) {
    text.line("{{edl_ecall_{}, \"{}\", {}, {}}},", each->name, each->name, each->is_private ? 1 : 0,
              each->switchless ? 1 : 0);
  }
  text.line("{{NULL, NULL, 0, 0}}");
  text.close("};");
  for (const auto& each : interface_.ocalls) {
    if (each->allows.empty()) continue;
    std::vector<std::string> numbers;
    for (const AllowedName& allowed : each->allows) {
      numbers.push_back(std::to_string(number_of(interface_.ecalls, allowed.name)));
    }
    text.line("static const uint32_t edl_allowed_by_{}[] = {{{}}};", each->name, fmt::join(numbers, ", "));
  }
  text.open("static const {}ocall{} edl_ocalls[] =", functions_, suffix_);
  for (const auto& each : interface_.ocalls) {
    text.line("{{\"{}\", {}, {}, {}}},", each->name, each->allows.empty() ? "NULL" : "edl_allowed_by_" + each->name,
              each->allows.size(), each->switchless ? 1 : 0);
  }
  text.line("{{NULL, NULL, 0, 0}}");
  text.close("};");
  text.line("{}const {}interface{} {}program_interface = {{\"{}\", edl_ecalls, {}, edl_ocalls, {}}};",
            native() ? "extern \"C\" " : "", functions_, suffix_, functions_, interface_.name, interface_.ecalls.size(),
            interface_.ocalls.size());
}

}  // namespace coffer::edl
