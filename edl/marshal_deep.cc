// Deep copies: what structures point to, copied along with them.
#include <algorithm>

#include "edl/marshal.h"
#include "edl/types.h"

namespace coffer::edl {

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
  settle_value(text, pointee(pointer), one);
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
