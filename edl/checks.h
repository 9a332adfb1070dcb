// What an interface may not say although its words are right: each dialect's rules, and what no dialect can carry.
#pragma once

#include <memory>

#include "edl/ast.h"
#include "edl/options.h"

namespace coffer::edl {

// Checks the functions and types that stand in `file` itself, in the light of all types that it knows; marks the
// members that measure others.
void check_file(const Interface& interface, const SourceFile& file, const Options& options, Diagnostics& diagnostics);

// What only the whole interface can tell: allow lists, private ECALLs.
void check_whole(const Interface& interface, const Options& options, Diagnostics& diagnostics);

// A type as C spells it.
[[nodiscard]] std::string spelled(const Type& type);

// The struct whose members are copied along with it; null: none, or the type is no pointer to exactly one struct.
[[nodiscard]] const UserType* deep_struct(const Interface& interface, const Declaration& declaration);
// Members of a struct that are copied along.
[[nodiscard]] bool copied_along(const Declaration& member);

}  // namespace coffer::edl
