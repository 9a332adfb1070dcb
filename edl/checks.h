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

}  // namespace coffer::edl
