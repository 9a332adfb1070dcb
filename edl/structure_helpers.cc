#include "edl/structure_helpers.h"

#include <algorithm>

namespace coffer::edl {
namespace {

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

bool has_bools(const Interface& interface, const Type& type) {
  if (type.is_pointer()) return false;
  const UserType* known = interface.find(type);
  return type.base == Base::kBool || (known != nullptr && has_bools(interface, *known));
}

void emit_structure_helpers(Text& text, const Interface& interface) {
  emit_padding_clearers(text, interface);
  emit_bool_makers(text, interface);
}

}  // namespace coffer::edl
