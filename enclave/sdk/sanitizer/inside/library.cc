// Memory that the C library takes for itself and finds again in ways that no search for pointers sees.
#include "enclave/sdk/sanitizer/inside/allocation.h"

extern "C" {
void* __real__dl_allocate_tls(void* memory);

// The table of a thread's thread-local blocks: of a thread that has ended, the library keeps it with the stack.
void* __wrap__dl_allocate_tls(void* memory) {
  ++coffer::sanitizer::lsan_disabled;
  void* result = __real__dl_allocate_tls(memory);
  --coffer::sanitizer::lsan_disabled;
  return result;
}
}
