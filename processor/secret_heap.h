// A heap in memfd_secret memory for what OpenSSL allocates with a key in it: a process that holds keys must not have
// them where /proc/PID/mem shows them.
#pragma once

namespace coffer::processor {

// Makes the heap of this process. Call it before OpenSSL's first allocation, once. False where the machine gives no
// secret memory or OpenSSL is in use already: keys then stand on the ordinary heap.
bool make_secret_heap();

// What OpenSSL allocates on this thread while one of these lives stands on the secret heap, where there is one and it
// has room. Freed memory is wiped and not used again: the heap is for the few objects that live as long as the process.
class SecretScope {
 public:
  SecretScope();
  ~SecretScope();
  SecretScope(const SecretScope&) = delete;
  SecretScope& operator=(const SecretScope&) = delete;
};

// For tests: where the heap stands and how much of it is used. Bytes.
struct SecretHeapUse {
  const void* begin = nullptr;
  unsigned long used = 0;
};
[[nodiscard]] SecretHeapUse secret_heap_use();

}  // namespace coffer::processor
