#include "processor/secret_heap.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "base/secret.h"

namespace coffer::processor {

namespace {

constexpr std::size_t kHeapSize = std::size_t{64} * 1024;
constexpr std::size_t kAlignment = 16;

std::byte* heap_begin = nullptr;
std::atomic<std::size_t> heap_used{0};
thread_local int scope_depth = 0;

struct Header {
  std::size_t size;
  std::size_t unused;  // keeps what follows aligned
};
static_assert(sizeof(Header) % kAlignment == 0);

bool on_heap(const void* block) {
  const auto* address = static_cast<const std::byte*>(block);
  return heap_begin != nullptr && address >= heap_begin && address < heap_begin + kHeapSize;
}

Header* header_of(void* block) { return reinterpret_cast<Header*>(static_cast<std::byte*>(block) - sizeof(Header)); }

void* take(std::size_t size) {
  const std::size_t room = sizeof(Header) + ((size + kAlignment - 1) & ~(kAlignment - 1));
  if (size > kHeapSize) return nullptr;
  std::size_t used = heap_used.load(std::memory_order_relaxed);
  do {
    if (room > kHeapSize - used) return nullptr;
  } while (!heap_used.compare_exchange_weak(used, used + room, std::memory_order_relaxed));
  auto* header = reinterpret_cast<Header*>(heap_begin + used);
  header->size = size;
  return header + 1;
}

void* allocate(std::size_t size, const char*, int) {
  if (size == 0) return nullptr;
  if (scope_depth > 0) {
    if (void* block = take(size); block != nullptr) return block;
  }
  return std::malloc(size);
}

void release(void* block, const char*, int) {
  if (!on_heap(block)) return std::free(block);
  wipe(block, header_of(block)->size);
}

void* reallocate(void* block, std::size_t size, const char* file, int line) {
  if (block == nullptr) return allocate(size, file, line);
  if (size == 0) {
    release(block, file, line);
    return nullptr;
  }
  if (!on_heap(block)) return std::realloc(block, size);
  const std::size_t old_size = header_of(block)->size;
  if (size <= old_size) return block;
  void* larger = take(size);
  if (larger == nullptr) return nullptr;
  std::memcpy(larger, block, old_size);
  release(block, file, line);
  return larger;
}

}  // namespace

bool make_secret_heap() {
  const FileDescriptor memory(static_cast<int>(::syscall(SYS_memfd_secret, O_CLOEXEC)));
  if (!memory || ::ftruncate(memory.get(), kHeapSize) != 0) return false;
  void* place = ::mmap(nullptr, kHeapSize, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (place == MAP_FAILED) return false;
  heap_begin = static_cast<std::byte*>(place);
  if (CRYPTO_set_mem_functions(allocate, reallocate, release) == 1) return true;
  heap_begin = nullptr;
  ::munmap(place, kHeapSize);
  return false;
}

SecretScope::SecretScope() {
  if (heap_begin != nullptr) ++scope_depth;
}
SecretScope::~SecretScope() {
  if (heap_begin != nullptr) --scope_depth;
}

SecretHeapUse secret_heap_use() { return {heap_begin, heap_used.load(std::memory_order_relaxed)}; }

}  // namespace coffer::processor
