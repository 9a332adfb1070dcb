#include "host/shared_memory.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace coffer::host {

std::size_t SharedMemory::class_of(std::uint64_t size) {
  if (size <= kSmallest) return 0;
  const auto wanted = static_cast<std::size_t>(std::bit_width(size - 1) - std::bit_width(kSmallest - 1));
  return wanted < kClasses ? wanted : kNoClass;
}

SharedMemory::~SharedMemory() {
  // The arena goes as a whole, and may be gone by now.
  if (!ordinary_) return;
  for (const auto& kept : kept_) {
    for (void* memory : kept) std::free(memory);
  }
}

void* SharedMemory::find(std::uint64_t size) const {
  if (!ordinary_) return rung_.arena().allocate(size);
  constexpr std::uint64_t kAlignment = 64;
  if (size > SIZE_MAX - kAlignment) return nullptr;
  return std::aligned_alloc(kAlignment, (std::max(size, std::uint64_t{1}) + kAlignment - 1) & ~(kAlignment - 1));
}

void SharedMemory::give_back(void* memory) const {
  if (ordinary_) {
    std::free(memory);
  } else {
    rung_.arena().release(static_cast<std::byte*>(memory));
  }
}

void* SharedMemory::take(std::size_t size_class, std::uint64_t size) {
  if (size_class == kNoClass) return find(size);
  std::vector<void*>& kept = kept_[size_class];
  if (kept.empty()) return find(kSmallest << size_class);
  void* memory = kept.back();
  kept.pop_back();
  return memory;
}

void* SharedMemory::allocate(std::uint64_t size) {
  const std::size_t size_class = class_of(size);
  const std::scoped_lock guard(lock_);
  void* memory = take(size_class, size);
  if (memory != nullptr) given_.insert_or_assign(memory, size_class);
  return memory;
}

void SharedMemory::release(void* memory) {
  const std::scoped_lock guard(lock_);
  const auto found = given_.find(memory);
  if (found == given_.end()) return;
  const std::size_t size_class = found->second;
  given_.erase(found);
  if (size_class != kNoClass && kept_[size_class].size() < kMostKept) {
    kept_[size_class].push_back(memory);
  } else {
    give_back(memory);
  }
}

}  // namespace coffer::host
