// malloc() and its kin, within the bound that the enclave's settings set. The linker sends every reference of the
// program and its libraries here (--wrap); the C library's allocator does the work.
//
// A signal handler that allocates while the thread that it interrupted did is as wrong here as anywhere.
#include "compat/openenclave/enclave/memory.h"

#include <malloc.h>
#include <openenclave/advanced/mallinfo.h>
#include <openenclave/internal/malloc.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "compat/openenclave/enclave/settings.h"

extern "C" {
void* __real_malloc(size_t size);
void* __real_calloc(size_t count, size_t size);
void* __real_realloc(void* memory, size_t size);
void* __real_memalign(size_t alignment, size_t size);
int __real_posix_memalign(void** memory, size_t alignment, size_t size);
void __real_free(void* memory);
void* __wrap_malloc(size_t size);
void* __wrap_calloc(size_t count, size_t size);
void* __wrap_realloc(void* memory, size_t size);
void* __wrap_memalign(size_t alignment, size_t size);
void* __wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void** memory, size_t alignment, size_t size);
void __wrap_free(void* memory);
}

namespace coffer::openenclave {

namespace {

std::atomic<std::size_t> in_use{0}, peak{0};
std::atomic<oe_allocation_failure_callback_t> failure_callback{nullptr};

std::size_t limit() {
  const std::uint64_t pages = settings().heap_pages;
  return pages == 0 || pages > SIZE_MAX / 4096 ? SIZE_MAX : pages * 4096;
}

bool fits(std::size_t size) {
  const std::size_t used = in_use.load(std::memory_order_relaxed);
  return used <= limit() && size <= limit() - used;
}

void count(void* memory) {
  const std::size_t now =
      in_use.fetch_add(::malloc_usable_size(memory), std::memory_order_relaxed) + ::malloc_usable_size(memory);
  std::size_t most = peak.load(std::memory_order_relaxed);
  while (now > most && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
  }
}

void* failed(std::size_t size) {
  if (const auto callback = failure_callback.load(); callback != nullptr) callback(__FILE__, __LINE__, "malloc", size);
  errno = ENOMEM;
  return nullptr;
}

// What the C library gave, counted; NULL where it gave nothing.
void* taken(void* memory, std::size_t size) {
  if (memory == nullptr) return failed(size);
  count(memory);
  if (tracking()) track(memory, size);
  return memory;
}

}  // namespace

MemoryUse memory_use() { return {limit(), in_use.load(), peak.load()}; }

}  // namespace coffer::openenclave

using namespace coffer::openenclave;

extern "C" {

void* __wrap_malloc(size_t size) { return fits(size) ? taken(__real_malloc(size), size) : failed(size); }

void* __wrap_calloc(size_t count, size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || !fits(bytes)) return failed(bytes);
  return taken(__real_calloc(count, size), bytes);
}

void __wrap_free(void* memory) {
  if (memory == nullptr) return;
  in_use.fetch_sub(::malloc_usable_size(memory), std::memory_order_relaxed);
  forget(memory);
  __real_free(memory);
}

void* __wrap_realloc(void* memory, size_t size) {
  if (memory == nullptr) return __wrap_malloc(size);
  if (size == 0) size = 1;  // as Open Enclave's: a block to be freed, not NULL
  const std::size_t had = ::malloc_usable_size(memory);
  if (size > had && !fits(size - had)) return failed(size);
  const bool was_tracked = forget(memory);
  void* moved = __real_realloc(memory, size);
  if (moved == nullptr) {
    if (was_tracked) track(memory, had);
    return failed(size);
  }
  in_use.fetch_sub(had, std::memory_order_relaxed);
  count(moved);
  if (was_tracked || tracking()) track(moved, size);
  return moved;
}

void* __wrap_memalign(size_t alignment, size_t size) {
  if (!std::has_single_bit(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  if (!fits(size) || alignment > limit()) return failed(size);
  return taken(__real_memalign(alignment, size), size);
}

void* __wrap_aligned_alloc(size_t alignment, size_t size) { return __wrap_memalign(alignment, size); }

int __wrap_posix_memalign(void** memory, size_t alignment, size_t size) {
  if (!std::has_single_bit(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  const int before = errno;
  void* given = __wrap_memalign(alignment, size);
  errno = before;
  if (given == nullptr) return ENOMEM;
  *memory = given;
  return 0;
}

void oe_set_allocation_failure_callback(oe_allocation_failure_callback_t function) { failure_callback = function; }

oe_result_t oe_allocator_mallinfo(oe_mallinfo_t* info) {
  if (info == nullptr) return OE_INVALID_PARAMETER;
  const MemoryUse use = memory_use();
  *info = {use.limit, use.now, use.peak};
  return OE_OK;
}

}  // extern "C"
