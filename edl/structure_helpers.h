// Generated functions for the structures of an interface: what becomes of padding and of bools.
#pragma once

#include "edl/ast.h"
#include "edl/text.h"

namespace coffer::edl {

// For each struct of the interface a function edl_clear_NAME() that zeroes the bytes between its members, whatever the
// compiler is; and where there are bools in it, edl_bools_NAME(), which makes each byte that stands for one 0 or 1.
void emit_structure_helpers(Text& text, const Interface& interface);

// Values of the type, not addresses, in which a bool stands. What a union holds nobody can tell.
[[nodiscard]] bool has_bools(const Interface& interface, const Type& type);

}  // namespace coffer::edl
