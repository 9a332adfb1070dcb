// What one host thread wrote before it handed over to an enclave, and another reads after the enclave has handed over
// to it, is in order: both handed over by atomics, and the enclave in between too. ThreadSanitizer does not see what
// another process does, so it is told. Nothing elsewhere.
#pragma once

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace coffer::host {

// `enclave`: any one address for all that concerns an enclave.
inline void before_the_enclave([[maybe_unused]] const void* enclave) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(const_cast<void*>(enclave));
#endif
}
inline void after_the_enclave([[maybe_unused]] const void* enclave) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(const_cast<void*>(enclave));
#endif
}

}  // namespace coffer::host
