// Where memory lies, and memory that both sides reach.
#include <coffer/calls.h>
#include <coffer/enclave.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "enclave/sdk/calls/ranges.h"

namespace coffer::calls {

namespace {

constexpr std::size_t kStackSize = std::size_t{1} << 20;   // to begin with
constexpr std::size_t kMostStack = std::size_t{16} << 20;  // what it grows to for large blocks
constexpr std::size_t kAlignment = 64;
constexpr long kAllocate = 0, kRelease = 1;

std::uint64_t number(const void* memory) { return reinterpret_cast<std::uint64_t>(memory); }

bool fits(std::uint64_t base, std::uint64_t size, std::uint64_t address, std::uint64_t length) {
  return address >= base && address - base <= size && length <= size - (address - base);
}

// The thread's blocks: pieces of one allocation, made when it is first needed and given back at the thread's end. The
// process's own end comes after that of the thread that ends it, and its destructors may still call the host: blocks
// are allocated one by one then.
struct ThreadStack {
  std::byte* memory = nullptr;
  std::size_t size = 0;
  std::size_t used = 0;
  std::size_t missed = 0;  // what all blocks together would have taken when one had no room
  bool ended = false;
};
constinit thread_local ThreadStack stack;

struct EndOfThread {
  EndOfThread() = default;
  ~EndOfThread() {
    release_shared(stack.memory);
    stack = {.memory = nullptr, .size = 0, .used = 0, .missed = 0, .ended = true};
  }
  EndOfThread(const EndOfThread&) = delete;
  EndOfThread& operator=(const EndOfThread&) = delete;
};

// Asking the host for memory and giving it back are two exits, more than the copy of half a megabyte costs: so the
// allocation grows to what the thread's calls need, while none of it is in use.
void make_room(std::size_t size) {
  const std::size_t needed = std::max(size, std::exchange(stack.missed, 0));
  if (needed > kMostStack || (stack.memory != nullptr && needed <= stack.size)) return;
  release_shared(stack.memory);
  stack.size = std::max(kStackSize, std::bit_ceil(needed));
  stack.memory = static_cast<std::byte*>(allocate_shared(stack.size));
  if (stack.memory == nullptr) stack.size = 0;
}

std::byte* take(std::size_t size) {
  if (stack.ended) return nullptr;
  static thread_local const EndOfThread end;
  if (stack.used == 0) make_room(size);
  if (size > stack.size - stack.used) {
    if (size <= kMostStack) stack.missed = std::max(stack.missed, stack.used + size);
    return nullptr;
  }
  std::byte* block = stack.memory + stack.used;
  stack.used += size;
  return block;
}

void give_back(const std::byte* block) {
  if (!stack.ended) stack.used = static_cast<std::size_t>(block - stack.memory);
}

}  // namespace

const MemoryRanges& memory_ranges() {
  static const MemoryRanges ranges = [] {
    MemoryRanges found{};
    if (detail::enclave_call(detail::kRanges, detail::address(&found)) != 0) found = {};
    return found;
  }();
  return ranges;
}

SharedBlock::SharedBlock(std::size_t size) : size_(size) {
  if (size == 0) return;
  const std::size_t rounded = (size + kAlignment - 1) & ~(kAlignment - 1);
  if (rounded >= size) begin_ = take(rounded);
  if (begin_ == nullptr) {
    begin_ = static_cast<std::byte*>(allocate_shared(size));
    own_ = begin_ != nullptr;
  }
  if (begin_ == nullptr) size_ = 0;
}

SharedBlock::~SharedBlock() {
  if (begin_ == nullptr) return;
  if (own_) {
    release_shared(begin_);
  } else {
    give_back(begin_);
  }
}

void* allocate_shared(std::size_t size) {
  std::uint64_t memory = 0;
  const long failed = detail::enclave_call(detail::kSharedMemory, kAllocate, static_cast<long>(size == 0 ? 1 : size),
                                           detail::address(&memory));
  return failed == 0 ? reinterpret_cast<void*>(memory) : nullptr;
}

void release_shared(void* memory) {
  if (memory != nullptr) detail::enclave_call(detail::kSharedMemory, kRelease, detail::address(memory));
}

std::uint32_t image_threads() { return static_cast<std::uint32_t>(memory_ranges().threads); }

bool within_enclave(const void* memory, std::size_t size) {
  const MemoryRanges& ranges = memory_ranges();
  return size == 0 || fits(ranges.base, ranges.size, number(memory), size);
}

bool outside_enclave(const void* memory, std::size_t size) {
  const MemoryRanges& ranges = memory_ranges();
  const std::uint64_t begin = number(memory);
  const std::uint64_t end = begin + size;
  if (size == 0) return true;
  return end > begin && (end <= ranges.base || begin >= ranges.base + ranges.size);
}

bool in_shared_memory(const void* memory, std::size_t size) {
  const MemoryRanges& ranges = memory_ranges();
  if (ranges.size == 0) return false;
  if (size == 0 || fits(ranges.arena_base, ranges.arena_size, number(memory), size)) return true;
  return ranges.debug != 0 && outside_enclave(memory, size);
}

}  // namespace coffer::calls
