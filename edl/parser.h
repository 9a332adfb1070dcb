// Reads one EDL file. What it imports, it asks for.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "edl/ast.h"
#include "edl/conditions.h"

namespace coffer::edl {

struct ParseContext {
  std::set<std::string, std::less<>> defined;
  Diagnostics& diagnostics;
  // The interface of an imported file, or null where that failed and was reported.
  std::function<std::shared_ptr<const Interface>(const std::string& name, const Place& place)> import;
};

// Null: at least one error was reported. `name` becomes the interface's. Stops at the first error of syntax.
[[nodiscard]] std::shared_ptr<Interface> parse(const std::shared_ptr<const SourceFile>& file, std::string name,
                                               ParseContext& context);

}  // namespace coffer::edl
