// malloc() and its family, of the program and of the libraries in it, by the linker's --wrap.
#include <cerrno>
#include <cstring>

#include "enclave/sdk/sanitizer/bytes.h"
#include "enclave/sdk/sanitizer/inside/allocation.h"

extern "C" {
void __real_free(void* memory);
}

namespace coffer::sanitizer {

void* heap_allocate(AllocationRequest request, const Caller& caller) {
  request.stack = keep_stack(caller);
  request.thread = current_thread();
  if (lsan_disabled != 0) return ignore(heap.allocate(request));
  return heap.allocate(request);
}

void heap_release(void* memory, Allocator allocator, std::size_t size, const Caller& caller) {
  if (memory == nullptr) return;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  switch (heap.release(memory, allocator, size, keep_stack(caller), current_thread())) {
    case Released::kDone:
      return;
    case Released::kTwice:
      return report_release("attempting double-free", address, caller);
    case Released::kOtherWay:
      return report_release("alloc-dealloc-mismatch", address, caller);
    case Released::kOtherSize:
      return report_release("new-delete-type-mismatch", address, caller);
    case Released::kNoBlock:
      return report_release("bad-free: attempting free on address which was not malloc()-ed", address, caller);
  }
}

constinit __thread unsigned lsan_disabled = 0;

void* ignore(void* memory) {
  if (Block* block = heap.find(memory)) block->ignored = true;
  return memory;
}

namespace {

void* or_no_memory(void* memory) {
  if (memory == nullptr) errno = ENOMEM;
  return memory;
}

bool is_power_of_two(std::size_t value) { return value != 0 && (value & (value - 1)) == 0; }

void* reallocate(void* memory, std::size_t size, const Caller& caller) {
  if (memory == nullptr) return or_no_memory(heap_allocate({.size = size}, caller));
  if (size == 0) {
    heap_release(memory, Allocator::kMalloc, 0, caller);
    return nullptr;
  }
  const Block* block = heap.find(memory);
  if (block == nullptr) {
    heap_release(memory, Allocator::kMalloc, 0, caller);  // says what is wrong
    return or_no_memory(nullptr);
  }
  void* larger = heap_allocate({.size = size}, caller);
  if (larger == nullptr) return or_no_memory(nullptr);
  copy_bytes(larger, memory, size < block->size ? size : block->size);
  heap_release(memory, Allocator::kMalloc, 0, caller);
  return larger;
}

void* aligned(std::size_t alignment, std::size_t size, const Caller& caller) {
  return or_no_memory(heap_allocate({.size = size, .alignment = alignment < 16 ? 16 : alignment}, caller));
}

}  // namespace
}  // namespace coffer::sanitizer

namespace san = coffer::sanitizer;

extern "C" {

void* __wrap_malloc(std::size_t size) { return san::or_no_memory(san::heap_allocate({.size = size}, COFFER_CALLER())); }
void* __wrap_calloc(std::size_t count, std::size_t size) {
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return san::or_no_memory(nullptr);
  return san::or_no_memory(san::heap_allocate({.size = bytes, .zeroed = true}, COFFER_CALLER()));
}
void* __wrap_realloc(void* memory, std::size_t size) { return san::reallocate(memory, size, COFFER_CALLER()); }
void __wrap_free(void* memory) { san::heap_release(memory, san::Allocator::kMalloc, 0, COFFER_CALLER()); }
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t size) {
  if (!san::is_power_of_two(alignment)) {
    errno = EINVAL;
    return nullptr;
  }
  return san::aligned(alignment, size, COFFER_CALLER());
}
void* __wrap_memalign(std::size_t alignment, std::size_t size) {
  std::size_t power = 16;
  while (power < alignment && power != 0) power *= 2;
  return san::aligned(power, size, COFFER_CALLER());
}
int __wrap_posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  if (!san::is_power_of_two(alignment) || alignment % sizeof(void*) != 0) return EINVAL;
  const int before = errno;
  void* memory = san::aligned(alignment, size, COFFER_CALLER());
  errno = before;
  if (memory == nullptr) return ENOMEM;
  *result = memory;
  return 0;
}
void* __wrap_valloc(std::size_t size) { return san::aligned(4096, size, COFFER_CALLER()); }
void* __wrap_pvalloc(std::size_t size) {
  constexpr std::size_t kPage = 4096;
  return san::aligned(kPage, (size + kPage - 1) / kPage * kPage, COFFER_CALLER());
}
std::size_t __wrap_malloc_usable_size(void* memory) {
  const san::Block* block = memory == nullptr ? nullptr : san::heap.find(memory);
  return block == nullptr ? 0 : block->size;
}
char* __wrap_strdup(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  san::check_range(text, size + 1, san::Access::kRead, COFFER_CALLER());
  auto* copy = static_cast<char*>(san::or_no_memory(san::heap_allocate({.size = size + 1}, COFFER_CALLER())));
  if (copy != nullptr) san::copy_bytes(copy, text, size + 1);
  return copy;
}
char* __wrap_strndup(const char* text, std::size_t most) {
  std::size_t size = 0;
  while (size < most && text[size] != '\0') ++size;
  san::check_range(text, size < most ? size + 1 : size, san::Access::kRead, COFFER_CALLER());
  auto* copy = static_cast<char*>(san::or_no_memory(san::heap_allocate({.size = size + 1}, COFFER_CALLER())));
  if (copy == nullptr) return nullptr;
  san::copy_bytes(copy, text, size);
  copy[size] = '\0';
  return copy;
}
}
