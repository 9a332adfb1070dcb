#include "enclave/kernel/support/heap.h"

#include <bit>
#include <cstring>

#include "enclave/kernel/core/kernel.h"

namespace coffer::kernel {
namespace {

constexpr std::size_t kPage = 4096;
constexpr std::uint32_t kLive = 0xc0ffe411;
constexpr std::uint16_t kPagesClass = 0xffff;
// No allocation comes near; sums below cannot overflow.
constexpr std::size_t kMaxSize = std::size_t{1} << 46;

// Behind every block, different for each so that a copied neighbour does not look right.
std::uint64_t mark_of(const void* memory, std::size_t size) {
  return (reinterpret_cast<std::uintptr_t>(memory) ^ (size << 40)) * 0x9e3779b97f4a7c15 + 0x636f666665720a0d;
}

}  // namespace

// Right before the memory that the caller got.
struct Heap::Header {
  std::uint32_t state;
  std::uint16_t size_class;    // or kPagesClass
  std::uint16_t block_offset;  // from the start of the block to the caller's memory, in units of 16 bytes
  std::uint64_t size;          // as asked for
};

std::size_t Heap::class_size(std::size_t index) {
  return (std::size_t{64} << (index / 4)) + (std::size_t{16} << (index / 4)) * (index % 4);
}

// The smallest class of at least `bytes`, or kClasses.
std::size_t Heap::class_of(std::size_t bytes) {
  if (bytes <= 64) return 0;
  const auto doubling = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 7;
  const std::size_t step = std::size_t{16} << doubling;
  const std::size_t base = std::size_t{64} << doubling;
  const std::size_t index = doubling * 4 + (bytes - base + step - 1) / step;
  return index < kClasses ? index : kClasses;
}

// A block of the class, all zeroes.
std::byte* Heap::take_block(std::size_t index) {
  const std::size_t size = class_size(index);
  const LockGuard guard(lock_);
  if (FreeBlock* block = free_[index]; block != nullptr) {
    free_[index] = block->next;
    block->next = nullptr;
    return reinterpret_cast<std::byte*>(block);
  }
  if (chunk_left_ < size) {
    // The rest of the old chunk serves smaller classes: all sizes are multiples of 16, and 64 is the smallest.
    while (chunk_left_ >= class_size(0)) {
      std::size_t fit = class_of(chunk_left_);
      if (fit == kClasses || class_size(fit) > chunk_left_) --fit;
      auto* rest = reinterpret_cast<FreeBlock*>(chunk_);
      rest->next = free_[fit];
      free_[fit] = rest;
      chunk_ += class_size(fit);
      chunk_left_ -= class_size(fit);
    }
    auto* fresh = static_cast<std::byte*>(take_(kChunk));
    if (fresh == nullptr) {
      chunk_left_ = 0;
      return nullptr;
    }
    chunk_ = fresh;
    chunk_left_ = kChunk;
  }
  std::byte* block = chunk_;
  chunk_ += size;
  chunk_left_ -= size;
  return block;
}

void* Heap::allocate(std::size_t size, std::size_t alignment) {
  if (alignment > kMaxAlignment || !std::has_single_bit(alignment)) panic("kernel heap: an impossible alignment");
  if (size > kMaxSize) return nullptr;
  const std::size_t slack = alignment > kDefaultAlignment ? alignment - kDefaultAlignment : 0;
  const std::size_t needed = sizeof(Header) + slack + size + sizeof(std::uint64_t);
  const std::size_t index = class_of(needed);
  const std::size_t pages_size = (needed + kPage - 1) & ~(kPage - 1);
  std::byte* block = index < kClasses ? take_block(index) : static_cast<std::byte*>(take_(pages_size));
  if (block == nullptr) return nullptr;
  const auto first = reinterpret_cast<std::uintptr_t>(block) + sizeof(Header);
  auto* memory = reinterpret_cast<std::byte*>((first + alignment - 1) & ~(alignment - 1));
  auto* header = reinterpret_cast<Header*>(memory) - 1;
  header->state = kLive;
  header->size_class = index < kClasses ? static_cast<std::uint16_t>(index) : kPagesClass;
  header->block_offset = static_cast<std::uint16_t>((memory - block) / 16);
  header->size = size;
  const std::uint64_t mark = mark_of(memory, size);
  std::memcpy(memory + size, &mark, sizeof(mark));
  live_bytes_.fetch_add(size, std::memory_order_relaxed);
  return memory;
}

void Heap::release(void* memory) {
  if (memory == nullptr) return;
  if (reinterpret_cast<std::uintptr_t>(memory) % kDefaultAlignment != 0) panic("kernel heap: not a block's address");
  auto* header = static_cast<Header*>(memory) - 1;
  // Exchanged, so that two threads that free one block are found out too.
  if (__atomic_exchange_n(&header->state, 0U, __ATOMIC_ACQ_REL) != kLive) {
    panic("kernel heap: freed twice, or never allocated");
  }
  const Header copy = *header;
  if (copy.size > kMaxSize) panic("kernel heap: a damaged header");
  auto* bytes = static_cast<std::byte*>(memory);
  std::uint64_t mark = 0;
  std::memcpy(&mark, bytes + copy.size, sizeof(mark));
  if (mark != mark_of(memory, copy.size)) panic("kernel heap: written beyond a block's end");
  live_bytes_.fetch_sub(copy.size, std::memory_order_relaxed);

  std::byte* block = bytes - std::size_t{copy.block_offset} * 16;
  const auto used = static_cast<std::size_t>(bytes - block) + copy.size + sizeof(mark);
  if (copy.size_class == kPagesClass) {
    const std::size_t pages_size = (copy.size + sizeof(mark) + static_cast<std::size_t>(bytes - block) + kPage - 1);
    // Pages are zeroed by their owner.
    give_back_(block, pages_size & ~(kPage - 1));
    return;
  }
  if (copy.size_class >= kClasses || used > class_size(copy.size_class)) panic("kernel heap: a damaged header");
  // Through a pointer that the compiler knows nothing of, or it would drop the stores to memory that is given up.
  void* wiped = block;
  asm volatile("" : "+r"(wiped));
  std::memset(wiped, 0, used);
  asm volatile("" ::"r"(wiped) : "memory");
  const LockGuard guard(lock_);
  auto* free_block = reinterpret_cast<FreeBlock*>(block);
  free_block->next = free_[copy.size_class];
  free_[copy.size_class] = free_block;
}

}  // namespace coffer::kernel
