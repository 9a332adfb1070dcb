#include "edl/marshal.h"

#include <algorithm>

#include "edl/checks.h"

namespace coffer::edl {
namespace {

std::string dimensions_of(const Declaration& declaration) {
  std::string result;
  for (const Value& each : declaration.dimensions) result += "[" + each.text + "]";
  return result;
}

// What a pointer to one points to.
Type by_value(const Declaration& pointer) {
  Type type = pointer.type;
  if (type.pointers != 0) --type.pointers;
  return type;
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

namespace {

bool has_bools(const Interface& interface, const UserType& type);
// Values of the type, not addresses, in which a bool stands. What a union holds nobody can tell.
bool has_bools(const Interface& interface, const Type& type) {
  if (type.is_pointer()) return false;
  const UserType* known = interface.find(type);
  return type.base == Base::kBool || (known != nullptr && has_bools(interface, *known));
}
bool has_bools(const Interface& interface, const UserType& type) {
  return type.kind == UserTypeKind::kStruct &&
         std::ranges::any_of(type.members, [&](const Declaration& each) { return has_bools(interface, each.type); });
}

void emit_padding_clearers(Text& text, const Interface& interface) {
  for (const auto& type : interface.types) {
    if (type->kind != UserTypeKind::kStruct) continue;
    text.open("EDL_HELPER void edl_clear_{0}({0}* one)", type->name);
    text.line("size_t edl_end = 0;");
    for (const Declaration& member : type->members) {
      text.line("edl_zero(one, edl_end, offsetof({}, {}));", type->name, member.name);
      text.line("edl_end = offsetof({}, {}) + sizeof(one->{});", type->name, member.name, member.name);
      const UserType* inner = member.type.is_pointer() ? nullptr : interface.find(member.type);
      if (inner == nullptr || inner->kind != UserTypeKind::kStruct) continue;
      text.open("");
      text.line("size_t edl_i = 0;");
      text.line(
          "for (edl_i = 0; edl_i < sizeof(one->{0}) / sizeof({1}); ++edl_i) edl_clear_{1}(({1}*)&one->{0} + edl_i);",
          member.name, inner->name);
      text.close();
    }
    text.line("edl_zero(one, edl_end, sizeof(*one));");
    text.close();
    text.blank();
  }
}

void emit_bool_makers(Text& text, const Interface& interface) {
  for (const auto& type : interface.types) {
    if (!has_bools(interface, *type)) continue;
    text.open("EDL_HELPER void edl_bools_{0}({0}* one)", type->name);
    for (const Declaration& member : type->members) {
      if (!has_bools(interface, member.type)) continue;
      if (member.type.base == Base::kBool) {
        text.line("edl_make_bools(&one->{0}, sizeof(one->{0}));", member.name);
        continue;
      }
      const std::string& inner = interface.find(member.type)->name;
      text.open("");
      text.line("size_t edl_i = 0;");
      text.line(
          "for (edl_i = 0; edl_i < sizeof(one->{0}) / sizeof({1}); ++edl_i) edl_bools_{1}(({1}*)&one->{0} + edl_i);",
          member.name, inner);
      text.close();
    }
    text.close();
    text.blank();
  }
}

}  // namespace

void emit_structure_helpers(Text& text, const Interface& interface) {
  emit_padding_clearers(text, interface);
  emit_bool_makers(text, interface);
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
  const Type type = by_value(pointer);
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

// Adds up what is copied along with an array of structures, which are this side's own.
void Marshal::measure_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                           const std::string& total, const std::string& bad, int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  text.line("size_t {} = 0;", i);
  text.open("for ({0} = 0; {1} == 0 && {0} < {2} / sizeof({3}); ++{0})", i, bad, bytes, element(pointer));
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string one = fmt::format("{}[{}]", where, i);
    const std::string size = fmt::format("edl_n{}", depth);
    text.open("if ({}.{} != NULL)", one, member.name);
    text.line("const size_t {} = {};", size, this->bytes(member, one + ".", "&" + bad));
    text.line("edl_add(&{}, {}, &{});", total, size, bad);
    if (deep(member) != nullptr) measure_deep(text, member, one + "." + member.name, size, total, bad, depth + 1);
    text.close();
  }
  text.close();
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

// Structures go one by one: their addresses become EDL_PRESENT, and inside their padding zeros. Then what is copied
// along. `structs`: without it only what is copied along.
void Marshal::write_structs(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                            const std::string& block, int depth, bool structs) const {
  const UserType* type = deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  const std::string to = fmt::format("edl_to{}", depth);
  const std::string one = fmt::format("edl_one{}", depth);
  const std::string kind = element(pointer);
  text.line("size_t {} = 0;", i);
  if (structs) {
    text.line("uint8_t* const {} = edl_take(&{}, {});", to, block, bytes);
    text.open("for ({0} = 0; {1} != NULL && {0} < {2} / sizeof({3}); ++{0})", i, to, bytes, kind);
    text.line("{} {};", kind, one);
    text.line("memcpy(&{0}, (const uint8_t*){1} + {2} * sizeof({0}), sizeof({0}));", one, where, i);
    if (type != nullptr) {
      for (const Declaration& member : type->members) {
        if (!copied_along(member)) continue;
        text.line("{0}.{1} = {0}.{1} != NULL ? ({2})EDL_PRESENT : NULL;", one, member.name, spelled(member.type));
      }
    }
    if (side_ == Side::kInside) text.add(cleared(pointer.type, "&" + one));
    text.line("EDL_WRITE({0} + {1} * sizeof({2}), &{2}, sizeof({2}));", to, i, one);
    text.close();
    // Bytes behind the last whole structure, where the caller gives a size in bytes.
    text.open("if ({0} != NULL && {1} % sizeof({2}) != 0)", to, bytes, kind);
    text.line("EDL_WRITE({0} + {1} * sizeof({2}), (const uint8_t*){3} + {1} * sizeof({2}), {4} % sizeof({2}));", to, i,
              kind, where, bytes);
    text.close();
  }
  if (type == nullptr) return;
  text.open("for ({0} = 0; {1}.bad == 0 && {0} < {2} / sizeof({3}); ++{0})", i, block, bytes, kind);
  for (const Declaration& member : type->members) {
    if (!copied_along(member)) continue;
    const std::string from = fmt::format("{}[{}].{}", where, i, member.name);
    const std::string size = fmt::format("edl_n{}", depth);
    text.open("if ({} != NULL)", from);
    text.line("const size_t {} = {};", size,
              this->bytes(member, fmt::format("{}[{}].", where, i), "&" + block + ".bad"));
    if (deep(member) != nullptr || may_have_padding(member)) {
      write_structs(text, member, from, size, block, depth + 1, true);
    } else {
      text.line("edl_put(&{}, {}, {});", block, from, size);
    }
    text.close();
  }
  text.close();
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

// What came back for structures of ours. Each is copied here before it is looked at. The addresses, and the members
// that say how much stands at them, remain as they were; one that has grown is a mistake of the other side's.
void Marshal::read_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                        int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  const std::string from = fmt::format("edl_from{}", depth);
  const std::string one = fmt::format("edl_one{}", depth);
  const std::string kind = element(pointer);
  text.line("size_t {} = 0;", i);
  text.line("const uint8_t* const {} = edl_take(&edl_out, {});", from, bytes);
  text.open("for ({0} = 0; edl_out.bad == 0 && {0} < {1} / sizeof({2}); ++{0})", i, bytes, kind);
  text.line("{}* const edl_own{} = ({}*)(uintptr_t)&{}[{}];", kind, depth, kind, where, i);
  text.line("{} {};", kind, one);
  text.line("memcpy(&{0}, {1} + {2} * sizeof({0}), sizeof({0}));", one, from, i);
  text.line("EDL_SETTLED(&{});", one);
  settle_value(text, by_value(pointer), one);
  for (const Declaration& member : type.members) {
    if (copied_along(member)) continue;
    if (member.measures) {
      text.line("if (edl_own{0}->{1} < {2}.{1}) edl_fail(&edl_out.bad, EDL_BAD_ANSWER);", depth, member.name, one);
    } else {
      text.line("memcpy((void*)(uintptr_t)&edl_own{0}->{1}, &{2}.{1}, sizeof({2}.{1}));", depth, member.name, one);
    }
  }
  text.close();
  text.open("for ({0} = 0; edl_out.bad == 0 && {0} < {1} / sizeof({2}); ++{0})", i, bytes, kind);
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string own = fmt::format("{}[{}].{}", where, i, member.name);
    const std::string size = fmt::format("edl_n{}", depth);
    text.open("if ({} != NULL)", own);
    text.line("const size_t {} = {};", size, this->bytes(member, fmt::format("{}[{}].", where, i), "&edl_out.bad"));
    if (deep(member) != nullptr) {
      read_deep(text, member, own, size, depth + 1);
    } else {
      text.line("edl_get(&edl_out, (void*)(uintptr_t){}, {});", own, size);
      settle(text, member, own, size);
    }
    text.close();
  }
  text.close();
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

// Makes the addresses in received structures those of the buffers that follow.
void Marshal::locate_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                          const std::string& block, int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  text.line("size_t {} = 0;", i);
  text.open("for ({0} = 0; {1}.bad == 0 && {0} < {2} / sizeof({3}); ++{0})", i, block, bytes, element(pointer));
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string one = fmt::format("{}[{}]", where, i);
    const std::string size = fmt::format("edl_n{}", depth);
    text.open("if ({}.{} != NULL)", one, member.name);
    text.line("const size_t {} = {};", size, this->bytes(member, one + ".", "&" + block + ".bad"));
    text.line("{}.{} = ({})edl_take(&{}, {});", one, member.name, spelled(member.type), block, size);
    settle(text, member, fmt::format("{}.{}", one, member.name), size);
    if (deep(member) != nullptr) {
      const std::string next = fmt::format("edl_at{}", depth);
      text.open("if ({}.{} != NULL)", one, member.name);
      text.line("{0}* const {1} = ({0}*){2}.{3};", element(member), next, one, member.name);
      locate_deep(text, member, next, size, block, depth + 1);
      text.close();
    }
    text.close();
  }
  text.close();
}

// The same structures once more in the output block, where the function works on them. `from` stays as it came.
void Marshal::copy_deep(Text& text, const Declaration& pointer, const std::string& from, const std::string& to,
                        const std::string& bytes, int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_j{}", depth);
  text.line("size_t {} = 0;", i);
  text.open("for ({0} = 0; edl_out.bad == 0 && {0} < {1} / sizeof({2}); ++{0})", i, bytes, element(pointer));
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string source = fmt::format("{}[{}]", from, i);
    const std::string size = fmt::format("edl_n{}", depth);
    text.open("if ({}.{} != NULL)", source, member.name);
    text.line("const size_t {} = {};", size, this->bytes(member, source + ".", "&edl_out.bad"));
    text.line("{0}[{1}].{2} = ({3})edl_make_copy(&edl_out, {4}.{2}, {5});", to, i, member.name, spelled(member.type),
              source, size);
    if (deep(member) != nullptr) {
      text.open("if ({}[{}].{} != NULL)", to, i, member.name);
      text.line("{0}* const edl_f{1} = ({0}*){2}.{3};", element(member), depth, source, member.name);
      text.line("{0}* const edl_t{1} = ({0}*){2}[{3}].{4};", element(member), depth, to, i, member.name);
      copy_deep(text, member, fmt::format("edl_f{}", depth), fmt::format("edl_t{}", depth), size, depth + 1);
      text.close();
    }
    text.close();
  }
  text.close();
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

// Addresses that the function left in the answer become EDL_PRESENT, by the structures as they were sent: what the
// function has made of the counts does not matter here.
void Marshal::clean_deep(Text& text, const Declaration& pointer, const std::string& from, const std::string& to,
                         const std::string& bytes, int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  text.line("size_t {} = 0;", i);
  text.open("for ({0} = 0; {0} < {1} / sizeof({2}); ++{0})", i, bytes, element(pointer));
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string source = fmt::format("{}[{}]", from, i);
    text.line("{0}[{1}].{2} = ({3})({0}[{1}].{2} != NULL ? EDL_PRESENT : 0);", to, i, member.name,
              spelled(member.type));
    text.open("if ({}.{} != NULL)", source, member.name);
    const std::string size = fmt::format("edl_n{}", depth);
    text.line("const size_t {} = {};", size, this->bytes(member, source + ".", "&edl_again.bad"));
    text.line("uint8_t* const edl_b{} = edl_take(&edl_again, {});", depth, size);
    if (deep(member) != nullptr) {
      text.line("{0}* const edl_f{1} = ({0}*){2}.{3};", element(member), depth, source, member.name);
      text.line("{0}* const edl_t{1} = ({0}*)edl_b{1};", element(member), depth);
      text.open("if (edl_t{} != NULL)", depth);
      clean_deep(text, member, fmt::format("edl_f{}", depth), fmt::format("edl_t{}", depth), size, depth + 1);
      text.close();
    } else {
      text.line("(void)edl_b{};", depth);
      if (may_have_padding(member)) {
        text.line("size_t edl_k = 0;");
        text.line("for (edl_k = 0; edl_b{0} != NULL && edl_k < {1} / sizeof({2}); ++edl_k) {3}", depth, size,
                  element(member), cleared(member.type, fmt::format("({}*)edl_b{} + edl_k", element(member), depth)));
      }
    }
    text.close();
  }
  text.add(cleared(pointer.type, fmt::format("&{}[{}]", to, i)));
  text.close();
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

// ------------------------------------------------------------------------------------------- deep copies, out only

bool Marshal::deep_out() const {
  return std::any_of(function_.parameters.begin(), function_.parameters.end(), [this](const Declaration& each) {
    return marshalled(each) && each.attributes->out_only() && deep(each) != nullptr;
  });
}

void Marshal::pack_deep_out(Text& text) const {
  const auto each_deep = [this](const auto& action) {
    for (const Declaration& each : function_.parameters) {
      if (marshalled(each) && each.attributes->out_only() && deep(each) != nullptr) {
        action(each, size_of(each, "edl_args->", "&edl_in.bad"),
               fmt::format("(({}*)edl_p_{})", element(each), each.name));
      }
    }
  };
  text.line("int edl_packed = 0;");
  each_deep([&](const Declaration& each, const std::string& size, const std::string& where) {
    text.open("if (edl_p_{} != NULL)", each.name);
    measure_deep(text, each, where, size, "edl_deep_size", "edl_packed", 1);
    text.close();
  });
  text.open("if (edl_packed == 0 && edl_deep_size != 0)");
  text.line("edl_block edl_pack = {{NULL, 0, 0, 0}};");
  text.line("edl_deep = (uint8_t*)oe_malloc(edl_deep_size);");
  text.line("if (edl_deep == NULL) edl_packed = EDL_NO_MEMORY;");
  text.line("if (edl_deep != NULL) memset(edl_deep, 0, edl_deep_size);");
  text.line("edl_pack.base = edl_deep;");
  text.line("edl_pack.size = edl_deep_size;");
  text.line("edl_pack.bad = edl_packed;");
  each_deep([&](const Declaration& each, const std::string& size, const std::string& where) {
    text.open("if (edl_p_{} != NULL)", each.name);
    write_structs(text, each, where, size, "edl_pack", 1, false);
    text.close();
  });
  text.line("edl_packed = edl_pack.bad;");
  text.close();
  // The function's memory goes, what it is packed in stays. Counts that make no sense are followed one level deep.
  each_deep([&](const Declaration& each, const std::string& size, const std::string& where) {
    text.open("if (edl_p_{} != NULL)", each.name);
    free_deep(text, each, where, size, 1);
    text.close();
  });
  text.open("if (edl_packed != 0)");
  text.line("oe_free(edl_deep);");
  text.line("edl_deep = NULL;");
  text.line("edl_deep_size = 0;");
  text.line("edl_out.bad = edl_packed;");
  text.close();
}

// Frees what stands at the members of the function's structures, and says in them whether something did.
void Marshal::free_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                        int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  text.line("size_t {} = 0;", i);
  text.open("for ({0} = 0; {0} < {1} / sizeof({2}); ++{0})", i, bytes, element(pointer));
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string one = fmt::format("{}[{}]", where, i);
    text.open("if ({}.{} != NULL)", one, member.name);
    if (deep(member) != nullptr) {
      const std::string size = fmt::format("edl_n{}", depth);
      text.open("if (edl_packed != EDL_OVERFLOW)");
      text.line("const size_t {} = {};", size, this->bytes(member, one + ".", "&edl_packed"));
      free_deep(text, member, one + "." + member.name, size, depth + 1);
      text.close();
    }
    text.line("free({}.{});", one, member.name);
    text.line("{0}.{1} = ({2})EDL_PRESENT;", one, member.name, spelled(member.type));
    text.close();
  }
  if (side_ == Side::kInside) text.add(cleared(pointer.type, fmt::format("&{}[{}]", where, i)));
  text.close();
}

void Marshal::unpack_deep_out(Text& text) const {
  const auto each_deep = [this](const auto& action) {
    for (const Declaration& each : function_.parameters) {
      if (marshalled(each) && each.attributes->out_only() && deep(each) != nullptr) {
        action(each, size_of(each, "edl_args.", "&edl_bad"));
      }
    }
  };
  each_deep([&](const Declaration& each, const std::string& size) {
    text.open("if ({} != NULL)", each.name);
    locate_deep(text, each, each.name, size, "edl_unpack", 1);
    text.close();
  });
  text.line("if (edl_unpack.offset != edl_unpack.size) edl_fail(&edl_unpack.bad, EDL_BAD_ANSWER);");
  text.line("int edl_packed = edl_unpack.bad;");
  text.open("if (edl_packed == 0)");
  each_deep([&](const Declaration& each, const std::string& size) {
    text.open("if ({} != NULL)", each.name);
    clone_deep(text, each, each.name, size, 1);
    text.close();
  });
  text.open("if (edl_packed != 0)");
  each_deep([&](const Declaration& each, const std::string& size) {
    text.open("if ({} != NULL)", each.name);
    free_deep(text, each, each.name, size, 1);
    text.close();
  });
  text.close();
  text.close();
  text.open("if (edl_packed != 0)");
  text.line("edl_fail(&edl_out.bad, edl_packed);");
  each_deep([&](const Declaration& each, const std::string& size) {
    text.line("if ({0} != NULL) memset((void*){0}, 0, {1});", each.name, size);
  });
  text.close();
}

// Each buffer of the block into memory that the caller frees. Where there is none left, NULL.
void Marshal::clone_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                         int depth) const {
  const UserType& type = *deep(pointer);
  const std::string i = fmt::format("edl_i{}", depth);
  text.line("size_t {} = 0;", i);
  text.open("for ({0} = 0; {0} < {1} / sizeof({2}); ++{0})", i, bytes, element(pointer));
  for (const Declaration& member : type.members) {
    if (!copied_along(member)) continue;
    const std::string one = fmt::format("{}[{}]", where, i);
    const std::string size = fmt::format("edl_n{}", depth);
    const std::string copy = fmt::format("edl_c{}", depth);
    text.open("if ({}.{} != NULL)", one, member.name);
    text.line("const size_t {} = {};", size, this->bytes(member, one + ".", "&edl_packed"));
    text.line("void* const {0} = malloc({1} != 0 ? {1} : 1);", copy, size);
    text.line("if ({} == NULL) edl_packed = EDL_NO_MEMORY;", copy);
    text.line("if ({0} != NULL) memcpy({0}, {1}.{2}, {3});", copy, one, member.name, size);
    text.line("{}.{} = ({}){};", one, member.name, spelled(member.type), copy);
    if (deep(member) != nullptr) {
      text.open("if ({} != NULL)", copy);
      clone_deep(text, member, one + "." + member.name, size, depth + 1);
      text.close();
    }
    text.close();
  }
  text.close();
}

}  // namespace coffer::edl
