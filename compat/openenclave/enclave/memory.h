// Counting and tracking of allocations. Thread-safe.
#pragma once

#include <cstddef>

namespace coffer::openenclave {

struct MemoryUse {
  std::size_t limit, now, peak;  // bytes
};
[[nodiscard]] MemoryUse memory_use();

// Tracking (<openenclave/debugmalloc.h>); debug_malloc.cc.
[[nodiscard]] bool tracking();
void track(void* memory, std::size_t size);
// True where it was tracked.
bool forget(void* memory);

}  // namespace coffer::openenclave
