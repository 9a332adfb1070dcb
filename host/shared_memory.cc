#include "host/shared_memory.h"

#include <bit>
#include <cstdlib>

namespace coffer::host {

std::size_t SharedMemory::class_of(std::uint64_t size) {
  if (size <= kSmallest) return 0;
  const auto wanted = static_cast<std::size_t>(std::bit_width(size - 1) - std::bit_width(kSmallest - 1));
  return wanted < kClasses ? wanted : kNoClass;
}

void* SharedMemory::take(std::size_t size_class, std::uint64_t size) {
  if (size_class == kNoClass) return rung_.arena().allocate(size);
  std::vector<void*>& kept = kept_[size_class];
  if (kept.empty()) return rung_.arena().allocate(kSmallest << size_class);
  void* memory = kept.back();
  kept.pop_back();
  return memory;
}

void* SharedMemory::allocate(std::uint64_t size) {
  const bool process = rung_.shares_process();
  const std::size_t size_class = class_of(size);
  const std::scoped_lock guard(lock_);
  void* memory = process ? std::malloc(size) : take(size_class, size);
  if (memory != nullptr) given_.insert_or_assign(memory, size_class);
  return memory;
}

void SharedMemory::release(void* memory) {
  const std::scoped_lock guard(lock_);
  const auto found = given_.find(memory);
  if (found == given_.end()) return;
  const std::size_t size_class = found->second;
  given_.erase(found);
  if (rung_.shares_process()) {
    std::free(memory);
  } else if (size_class != kNoClass && kept_[size_class].size() < kMostKept) {
    kept_[size_class].push_back(memory);
  } else {
    rung_.arena().release(static_cast<std::byte*>(memory));
  }
}

}  // namespace coffer::host
