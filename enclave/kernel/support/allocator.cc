#include "enclave/kernel/support/allocator.h"

#include <new>

#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/support/heap.h"

namespace {

constinit coffer::kernel::Heap heap{coffer::kernel::kernel_pages, coffer::kernel::release_kernel_pages};

void* allocate(std::size_t size, std::size_t alignment = coffer::kernel::Heap::kDefaultAlignment) {
  void* memory = heap.allocate(size, alignment);
  if (memory == nullptr) coffer::kernel::panic("out of enclave memory");
  return memory;
}

}  // namespace

namespace coffer::kernel {
std::size_t kernel_heap_bytes() { return heap.live_bytes(); }
}  // namespace coffer::kernel

const std::nothrow_t std::nothrow{};

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return heap.allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return heap.allocate(size); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return heap.allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return heap.allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* memory) noexcept { heap.release(memory); }
void operator delete[](void* memory) noexcept { heap.release(memory); }
void operator delete(void* memory, std::size_t) noexcept { heap.release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { heap.release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { heap.release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { heap.release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { heap.release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { heap.release(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { heap.release(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { heap.release(memory); }
void operator delete(void* memory, std::align_val_t, const std::nothrow_t&) noexcept { heap.release(memory); }
void operator delete[](void* memory, std::align_val_t, const std::nothrow_t&) noexcept { heap.release(memory); }
