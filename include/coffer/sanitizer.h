// The leak check of enclaves that were built with SANITIZE (docs/sdk/debugging.md), for programs that do not end by
// themselves: those that serve calls. Without it everything here is there and finds nothing, so that one source can be
// built both ways.
#pragma once

#include <cstddef>
#include <optional>

extern "C" __attribute__((weak)) std::size_t coffer_sanitizer_check_for_leaks();

namespace coffer {

// Looks for blocks of the heap that nothing points to any more, and reports them on standard error with the stack of
// their allocation: how many bytes they have. What was reported is reported the next time too. Empty where the program
// was built without the check. Thread-safe; the other threads go on meanwhile.
inline std::optional<std::size_t> check_for_leaks() {
  if (coffer_sanitizer_check_for_leaks == nullptr) return std::nullopt;
  return coffer_sanitizer_check_for_leaks();
}

}  // namespace coffer
