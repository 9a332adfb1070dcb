// Giving and taking blocks of the program's heap, for those functions that the program calls.
#pragma once

#include "enclave/sdk/sanitizer/inside/runtime.h"

namespace coffer::sanitizer {

// nullptr where there is no memory.
[[nodiscard]] void* heap_allocate(AllocationRequest request, const Caller& caller);
// `size`: what the program says that the block has, 0 where it does not. Reports what is wrong with it.
void heap_release(void* memory, Allocator allocator, std::size_t size, const Caller& caller);
// The block is nobody's leak. Its begin.
void* ignore(void* memory);
extern __thread unsigned lsan_disabled;  // __lsan_disable(): how often, for this thread

}  // namespace coffer::sanitizer
