#include "enclave/kernel/core/early_memory.h"

#include <sys/mman.h>

#include <atomic>

#include "enclave/kernel/core/image.h"
#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel {

namespace {

std::atomic<bool> early{false};
constexpr std::uint64_t kMostOfStack = std::uint64_t{1} << 20;

bool is_stack(std::uint64_t address) {
  struct Search {
    std::uint64_t address;
    bool stack;
  } search{address, false};
  address_space().visit_mappings(
      [](void* context, std::uintptr_t begin, std::uintptr_t end, int, int flags) {
        auto& wanted = *static_cast<Search*>(context);
        if (wanted.address >= begin && wanted.address < end) wanted.stack = (flags & MAP_STACK) != 0;
      },
      &search);
  return search.stack;
}

}  // namespace

void use_early_memory() {
  if (is_debug_enclave()) early.store(true, std::memory_order_relaxed);
}

void commit_early(std::uint64_t address, std::uint64_t size) {
  if (!early.load(std::memory_order_relaxed) || size == 0) return;
  if (size > kMostOfStack && is_stack(address)) {
    address += size - kMostOfStack;
    size = kMostOfStack;
  }
  const std::uint64_t most = layout().heap_limit / 2;
  const std::uint64_t committed = address_space().usage().committed;
  if (committed > most || size > most - committed) return;
  // What cannot be had now is asked for again at the first touch, where it matters.
  [[maybe_unused]] const auto done = address_space().advise(address, size, MADV_POPULATE_WRITE);
}

}  // namespace coffer::kernel
