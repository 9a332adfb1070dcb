// operator new and delete. In an archive of their own, for C++ programs; one that has its own keeps them.
#include <new>

#include "enclave/sdk/sanitizer/inside/allocation.h"

namespace san = coffer::sanitizer;
using san::Allocator;

namespace {

void* try_new(std::size_t size, std::size_t alignment, Allocator allocator, const san::Caller& caller) {
  const san::AllocationRequest request{.size = size, .alignment = alignment, .allocator = allocator};
  void* memory = san::heap_allocate(request, caller);
  while (memory == nullptr) {
    const std::new_handler handler = std::get_new_handler();
    if (handler == nullptr) return nullptr;
    handler();
    memory = san::heap_allocate(request, caller);
  }
  return memory;
}
void* must_new(std::size_t size, std::size_t alignment, Allocator allocator, const san::Caller& caller) {
  void* memory = try_new(size, alignment, allocator, caller);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* quiet_new(std::size_t size, std::size_t alignment, Allocator allocator, const san::Caller& caller) noexcept {
  try {
    return try_new(size, alignment, allocator, caller);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
std::size_t number(std::align_val_t alignment) {
  return static_cast<std::size_t>(alignment) < 16 ? 16 : static_cast<std::size_t>(alignment);
}

}  // namespace

#define COFFER_WEAK __attribute__((weak))
constexpr std::size_t kPlain = 16;
constexpr Allocator kOne = Allocator::kNew, kMany = Allocator::kNewArray;

COFFER_WEAK void* operator new(std::size_t n) { return must_new(n, kPlain, kOne, COFFER_CALLER()); }
COFFER_WEAK void* operator new[](std::size_t n) { return must_new(n, kPlain, kMany, COFFER_CALLER()); }
COFFER_WEAK void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
  return quiet_new(n, kPlain, kOne, COFFER_CALLER());
}
COFFER_WEAK void* operator new[](std::size_t n, const std::nothrow_t&) noexcept {
  return quiet_new(n, kPlain, kMany, COFFER_CALLER());
}
COFFER_WEAK void* operator new(std::size_t n, std::align_val_t a) {
  return must_new(n, number(a), kOne, COFFER_CALLER());
}
COFFER_WEAK void* operator new[](std::size_t n, std::align_val_t a) {
  return must_new(n, number(a), kMany, COFFER_CALLER());
}
COFFER_WEAK void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return quiet_new(n, number(a), kOne, COFFER_CALLER());
}
COFFER_WEAK void* operator new[](std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
  return quiet_new(n, number(a), kMany, COFFER_CALLER());
}
COFFER_WEAK void operator delete(void* p) noexcept { san::heap_release(p, kOne, 0, COFFER_CALLER()); }
COFFER_WEAK void operator delete[](void* p) noexcept { san::heap_release(p, kMany, 0, COFFER_CALLER()); }
COFFER_WEAK void operator delete(void* p, std::size_t n) noexcept { san::heap_release(p, kOne, n, COFFER_CALLER()); }
COFFER_WEAK void operator delete[](void* p, std::size_t) noexcept { san::heap_release(p, kMany, 0, COFFER_CALLER()); }
COFFER_WEAK void operator delete(void* p, const std::nothrow_t&) noexcept {
  san::heap_release(p, kOne, 0, COFFER_CALLER());
}
COFFER_WEAK void operator delete[](void* p, const std::nothrow_t&) noexcept {
  san::heap_release(p, kMany, 0, COFFER_CALLER());
}
COFFER_WEAK void operator delete(void* p, std::align_val_t) noexcept { san::heap_release(p, kOne, 0, COFFER_CALLER()); }
COFFER_WEAK void operator delete[](void* p, std::align_val_t) noexcept {
  san::heap_release(p, kMany, 0, COFFER_CALLER());
}
COFFER_WEAK void operator delete(void* p, std::size_t n, std::align_val_t) noexcept {
  san::heap_release(p, kOne, n, COFFER_CALLER());
}
COFFER_WEAK void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
  san::heap_release(p, kMany, 0, COFFER_CALLER());
}
COFFER_WEAK void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  san::heap_release(p, kOne, 0, COFFER_CALLER());
}
COFFER_WEAK void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  san::heap_release(p, kMany, 0, COFFER_CALLER());
}
