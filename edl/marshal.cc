#include "edl/marshal.h"

#include "edl/structure_helpers.h"
#include "edl/types.h"

namespace coffer::edl {
namespace {

std::string dimensions_of(const Declaration& declaration) {
  std::string result;
  for (const Value& each : declaration.dimensions) result += "[" + each.text + "]";
  return result;
}

// Without the const that would make a copy of it useless.
Type plain(Type type) {
  if (type.pointers <= 1) type.is_const = false;
  return type;
}

}  // namespace

std::string declared(const Type& type, const std::string& name) { return spelled(type) + " " + name; }
std::string declared(const Declaration& declaration) {
  return declared(declaration.type, declaration.name) + dimensions_of(declaration);
}

bool Marshal::marshalled(const Declaration& parameter) const {
  return parameter.attributes && parameter.attributes->directed();
}
bool Marshal::bare_pointer(const Declaration& parameter) const {
  return !marshalled(parameter) && (parameter.type.is_pointer() || parameter.is_array() ||
                                    parameter.has(AttributeKind::kIsPointer) || parameter.has(AttributeKind::kIsArray));
}

std::string Marshal::result_member() const { return dialect_ == Dialect::kOpenEnclave ? "oe_retval" : "edl_result"; }
std::string Marshal::errno_member() const { return dialect_ == Dialect::kOpenEnclave ? "ocall_errno" : "edl_errno"; }

// Open Enclave's strings have two members that programs know: the address, which says whether there is a string, and
// its length in characters with the terminator.
bool Marshal::known_string(const Declaration& parameter) const {
  return dialect_ == Dialect::kOpenEnclave && parameter.attributes && parameter.attributes->any_string();
}

// The bytes of a parameter's buffer, or EDL_NULL, as the argument structure says it.
std::string Marshal::size_of(const Declaration& parameter, const std::string& arguments, const std::string& bad) const {
  if (!known_string(parameter)) return fmt::format("{}edl_size_{}", arguments, parameter.name);
  return fmt::format("edl_string_size({0}{1}, {0}{1}_len, sizeof({2}), {3})", arguments, parameter.name,
                     element(parameter), bad);
}

std::string Marshal::bare_type(const Declaration& parameter) const {
  if (parameter.is_array() || parameter.has(AttributeKind::kIsArray)) return "void*";
  Type type = parameter.type;
  type.is_const = false;
  return spelled(type);
}

const UserType* Marshal::deep(const Declaration& declaration) const { return deep_struct(interface_, declaration); }

bool Marshal::may_have_padding(const Declaration& declaration) const {
  if (side_ == Side::kOutside || declaration.type.pointers > 1) return false;
  // Of what a header defines nothing is known; with a flexible array the compiler could not even tell.
  return declaration.type.base == Base::kLongDouble || interface_.find(declaration.type) != nullptr;
}

std::string Marshal::cleared(const Type& type, const std::string& pointer) const {
  const UserType* known = interface_.find(type);
  const bool record = known != nullptr && known->kind == UserTypeKind::kStruct;
  return record ? fmt::format("edl_clear_{}({});", known->name, pointer)
                : fmt::format("EDL_CLEAR_PADDING({});", pointer);
}

void Marshal::settle_value(Text& text, const Type& type, const std::string& where) const {
  if (side_ == Side::kOutside || type.is_pointer() || type.base == Base::kBool || !has_bools(interface_, type)) return;
  text.line("edl_bools_{}(&{});", interface_.find(type)->name, where);
}

void Marshal::settle(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes) const {
  const Type type = pointee(pointer);
  if (side_ == Side::kOutside || !has_bools(interface_, type)) return;
  text.open("if ({} != NULL)", where);
  if (type.base == Base::kBool) {
    text.line("edl_make_bools((void*)(uintptr_t){}, {});", where, bytes);
  } else {
    const std::string& name = interface_.find(type)->name;
    text.line("size_t edl_k = 0;");
    text.line("for (edl_k = 0; edl_k < {0} / sizeof({1}); ++edl_k) edl_bools_{1}(({1}*)(uintptr_t){2} + edl_k);", bytes,
              name, where);
  }
  text.close();
}

std::string Marshal::element(const Declaration& declaration) const {
  if (declaration.has(AttributeKind::kIsPointer)) return fmt::format("__typeof__(*({})0)", declaration.type.name);
  if (declaration.is_array() || declaration.has(AttributeKind::kIsArray)) {
    Type type = declaration.type;
    type.is_const = false;
    return spelled(type);
  }
  Type type = plain(declaration.type);
  if (type.pointers != 0) --type.pointers;
  return spelled(type);
}

std::string Marshal::bytes(const Declaration& declaration, const std::string& prefix, const std::string& bad) const {
  if (declaration.is_array()) return fmt::format("sizeof({}{})", element(declaration), dimensions_of(declaration));
  std::string result;
  const auto times = [&](const Product& product) {
    for (const Value& factor : product) {
      const std::string one = "(size_t)" + (factor.is_name ? prefix + factor.text : factor.text);
      // Checked also where there is one factor: EDL_NULL is no size.
      result = fmt::format("edl_times({}, {}, {})", result.empty() ? "1" : result, one, bad);
    }
  };
  static const Attributes none;
  const Attributes& given = declaration.attributes ? *declaration.attributes : none;
  std::string unit = element(declaration) == "void" ? "1" : fmt::format("sizeof({})", element(declaration));
  times(given.size);
  if (given.size.empty()) result = unit;
  if (declaration.has(AttributeKind::kIsArray)) return unit;
  times(given.count);
  return result;
}

// ------------------------------------------------------------------------------------------------ the structure

void Marshal::members(Text& text) const {
  if (!function_.result.is_void()) {
    Type type = function_.result;
    if (!type.is_pointer()) type.is_const = false;
    text.line("{};", declared(type, result_member()));
  }
  for (const Declaration& each : function_.parameters) {
    if (marshalled(each)) {
      if (known_string(each)) {
        text.line("{} {};\nsize_t {}_len;", bare_type(each), each.name, each.name);
      } else {
        text.line("size_t edl_size_{};", each.name);
      }
    } else if (bare_pointer(each)) {
      text.line("{} {};", bare_type(each), each.name);
    } else {
      text.line("{};", declared(plain(each.type), each.name));
    }
  }
  if (function_.propagate_errno) text.line("int {};", errno_member());
}

// --------------------------------------------------------------------------------------------------- the caller

void Marshal::fill(Text& text) const {
  for (const Declaration& each : function_.parameters) {
    if (bare_pointer(each)) {
      text.line("edl_args.{0} = ({1})(uintptr_t){0};", each.name, bare_type(each));
    } else if (!marshalled(each)) {
      text.line("edl_args.{} = {};", each.name, each.name);
    } else if (each.attributes->any_string()) {
      fill_string(text, each);
    } else {
      text.line("edl_args.edl_size_{0} = {0} != NULL ? {1} : EDL_NULL;", each.name, bytes(each, "", "&edl_bad"));
    }
  }
  text.add("edl_add(&edl_in_size, sizeof(edl_args), &edl_bad);\nedl_add(&edl_out_size, sizeof(edl_args), &edl_bad);");
  for (const Declaration& each : function_.parameters) {
    if (!marshalled(each)) continue;
    const Attributes& given = *each.attributes;
    const std::string size = size_of(each, "edl_args.", "&edl_bad");
    if (given.in()) text.line("edl_add(&edl_in_size, {}, &edl_bad);", size);
    if (given.out()) text.line("edl_add(&edl_out_size, {}, &edl_bad);", size);
    if (deep(each) == nullptr || given.out_only()) continue;
    text.open("if ({} != NULL)", each.name);
    text.line("size_t edl_along = 0;");
    measure_deep(text, each, each.name, size, "edl_along", "edl_bad", 1);
    text.line("edl_add(&edl_in_size, edl_along, &edl_bad);");
    if (given.out()) text.line("edl_add(&edl_out_size, edl_along, &edl_bad);");
    text.close();
  }
}

void Marshal::fill_string(Text& text, const Declaration& parameter) const {
  const char* const length = parameter.has(AttributeKind::kWideString) ? "EDL_WCSLEN" : "EDL_STRLEN";
  const std::string& name = parameter.name;
  if (known_string(parameter)) {
    text.line("edl_args.{0} = ({1})({0} != NULL ? EDL_PRESENT : 0);", name, bare_type(parameter));
    text.line("edl_args.{0}_len = {0} != NULL ? {1}({0}) + 1 : 0;", name, length);
  } else {
    text.line("edl_args.edl_size_{0} = {0} != NULL ? edl_times({1}({0}) + 1, sizeof({2}), &edl_bad) : EDL_NULL;", name,
              length, element(parameter));
  }
}

void Marshal::write(Text& text) const {
  if (side_ == Side::kInside) {
    for (const Declaration& each : function_.parameters) {
      const bool record = !marshalled(each) && !bare_pointer(each) && interface_.find(each.type) != nullptr;
      if (record) text.add(cleared(each.type, "&edl_args." + each.name));
    }
    text.line("EDL_CLEAR_PADDING(&edl_args);");
  }
  text.line("edl_put(&edl_in, &edl_args, sizeof(edl_args));");
  for (const Declaration& each : function_.parameters) {
    if (!marshalled(each) || !each.attributes->in()) continue;
    const std::string size = size_of(each, "edl_args.", "&edl_bad");
    if (deep(each) != nullptr || may_have_padding(each)) {
      text.open("if ({} != EDL_NULL)", size);
      write_structs(text, each, each.name, size, "edl_in", 1, true);
      text.close();
    } else {
      text.line("edl_put(&edl_in, {}, {});", each.name, size);
    }
  }
}

void Marshal::read(Text& text) const {
  settle_value(text, function_.result, "edl_answer." + result_member());
  for (const Declaration& each : function_.parameters) {
    if (!marshalled(each) || !each.attributes->out()) continue;
    const std::string size = size_of(each, "edl_args.", "&edl_bad");
    if (deep(each) != nullptr && each.attributes->in()) {
      text.open("if ({} != NULL)", each.name);
      read_deep(text, each, each.name, size, 1);
      text.close();
      continue;
    }
    text.line("edl_get(&edl_out, (void*)(uintptr_t){}, {});", each.name, size);
    if (each.attributes->any_string()) {
      text.line("edl_check_terminated({}, {}, sizeof(*{}), &edl_out.bad);", each.name, size, each.name);
    } else {
      settle(text, each, each.name, size);
    }
  }
}

// --------------------------------------------------------------------------------------------------- the bridge

void Marshal::received(Text& text, const std::string& type) const {
  if (side_ == Side::kInside) {
    text.line("{0}* const edl_args = ({0}*)(uintptr_t)edl_input;", type);
  } else {
    text.line("{0} edl_given;\n{0}* const edl_args = &edl_given;", type);
  }
}

void Marshal::take_arguments(Text& text) const {
  text.add(side_ == Side::kInside ? "(void)edl_take(&edl_in, sizeof(*edl_args));"
                                  : "edl_get(&edl_in, edl_args, sizeof(*edl_args));");
}

void Marshal::locate(Text& text) const {
  // Zeroed is what leaves the enclave, and what the SDKs' programs expect of an OCALL: in their own dialects.
  const bool zeroed = side_ == Side::kInside || dialect_ != Dialect::kCoffer;
  for (const Declaration& each : function_.parameters) {
    if (!marshalled(each)) {
      if (!bare_pointer(each)) settle_value(text, each.type, "edl_args->" + each.name);
      continue;
    }
    const Attributes& given = *each.attributes;
    const std::string size = size_of(each, "edl_args->", "&edl_in.bad");
    const std::string at = "edl_p_" + each.name;
    if (given.any_string()) {
      text.line("if ({} != EDL_NULL) {} = edl_take(&edl_in, {});", size, at, size);
      text.line("edl_check_terminated({}, {}, sizeof({}), &edl_in.bad);", at, size, element(each));
    } else {
      const char* const block = given.in() ? "edl_in" : "edl_out";
      const char* const found = given.in() ? "edl_take_sized" : zeroed ? "edl_make_zeros" : "edl_make_sized";
      text.line("{} = {}(&{}, {}, {});", at, found, block, size,
                bytes(each, "edl_args->", fmt::format("&{}.bad", block)));
      if (given.in()) settle(text, each, at, size);
    }
    if (given.out_only()) continue;
    if (deep(each) == nullptr) {
      if (given.out()) text.line("if (edl_in.bad == 0) {0} = edl_make_copy(&edl_out, {0}, {1});", at, size);
      continue;
    }
    const std::string type = element(each);
    text.open("if ({} != NULL)", at);
    text.line("{0}* const edl_sent = ({0}*){1};", type, at);
    locate_deep(text, each, "edl_sent", size, "edl_in", 1);
    if (given.out()) {
      text.open("if (edl_in.bad == 0)");
      text.line("{0}* const edl_back = ({0}*)edl_make_copy(&edl_out, edl_sent, {1});", type, size);
      text.line("edl_p_{} = (uint8_t*)edl_back;", each.name);
      if (side_ == Side::kInside) text.line("edl_sent_{} = edl_sent;", each.name);
      copy_deep(text, each, "edl_sent", "edl_back", size, 1);
      text.close();
    }
    text.close();
  }
}

void Marshal::clean(Text& text) const {
  if (side_ == Side::kOutside) return;
  for (const Declaration& each : function_.parameters) {
    if (!marshalled(each) || !each.attributes->out()) continue;
    const std::string size = size_of(each, "edl_args->", "&edl_in.bad");
    const std::string type = element(each);
    if (deep(each) != nullptr && each.attributes->in()) {
      text.open("if (edl_p_{} != NULL)", each.name);
      text.line("{0}* const edl_sent = ({0}*)edl_sent_{1};", type, each.name);
      text.line("{0}* const edl_back = ({0}*)edl_p_{1};", type, each.name);
      text.line("edl_block edl_again = edl_out;");
      text.line("edl_again.offset = (size_t)(edl_p_{} - edl_out.base);", each.name);
      text.line("(void)edl_take(&edl_again, {});", size);
      clean_deep(text, each, "edl_sent", "edl_back", size, 1);
      text.close();
    } else if (deep(each) == nullptr && may_have_padding(each)) {
      text.open("if (edl_p_{} != NULL)", each.name);
      text.line("size_t edl_i = 0;");
      text.line("for (edl_i = 0; edl_i < {} / sizeof({}); ++edl_i) {}", size, type,
                cleared(each.type, fmt::format("({}*)edl_p_{} + edl_i", type, each.name)));
      text.close();
    }
  }
}

void Marshal::clean_result(Text& text) const {
  if (side_ == Side::kOutside) return;
  if (!function_.result.is_pointer() && interface_.find(function_.result) != nullptr) {
    text.add(cleared(function_.result, "&edl_answer->" + result_member()));
  }
  text.line("EDL_CLEAR_PADDING(edl_answer);");
}

std::string Marshal::argument(const Declaration& parameter) const {
  const std::string value = marshalled(parameter) ? "edl_p_" + parameter.name : "edl_args->" + parameter.name;
  if (parameter.is_array()) {
    // As the function sees it: an address of elements, which for several dimensions are arrays.
    std::string rest;
    for (std::size_t i = 1; i < parameter.dimensions.size(); ++i) rest += "[" + parameter.dimensions[i].text + "]";
    return fmt::format("({}(*){})({})", spelled(parameter.type), rest, value);
  }
  if (parameter.has(AttributeKind::kIsArray)) {
    return fmt::format("(__typeof__(&(*({}*)0)[0]))({})", parameter.type.name, value);
  }
  if (marshalled(parameter) || bare_pointer(parameter)) return fmt::format("({})({})", spelled(parameter.type), value);
  return as_own(parameter.type, value);
}

std::string Marshal::as_own(const Type& type, const std::string& value) {
  return type.base == Base::kBool && !type.is_pointer() ? fmt::format("(*(const uint8_t*)&{} != 0)", value) : value;
}

std::vector<std::string> Marshal::arguments() const {
  std::vector<std::string> result;
  for (const Declaration& each : function_.parameters) result.push_back(argument(each));
  return result;
}

}  // namespace coffer::edl
