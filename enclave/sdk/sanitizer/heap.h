// The heap of a program that is watched: blocks of the C library's heap with red zones around what the program gets,
// and a quarantine, where what was freed stays for a while so that its use is noticed.
//
//   the C library's block:  [lead: red zone ... Block][the program's bytes][tail: red zone]
//
// Thread-safe. Nothing here is allocated from the heap that it manages.
#pragma once

#include <cstddef>
#include <cstdint>

#include "enclave/sdk/sanitizer/lock.h"
#include "enclave/sdk/sanitizer/shadow.h"
#include "enclave/sdk/sanitizer/stack_depot.h"

namespace coffer::sanitizer {

// Who gave a block: it has to go back the same way.
enum class Allocator : std::uint8_t { kMalloc, kNew, kNewArray };

// What is known of a block. Stands right before the program's bytes, in the red zone.
struct Block {
  std::uint32_t mark;  // of this place, live or freed
  Allocator allocator;
  bool ignored;  // for the leak check
  std::uint16_t reserved;
  std::uint64_t unused;      // the structure is a multiple of 16 bytes, as malloc() is aligned
  std::uint64_t size;        // the program's bytes
  std::uint32_t lead, tail;  // red zones, this structure included
  StackDepot::Id allocated, freed;
  std::uint32_t allocating_thread, freeing_thread;
  Block *next, *previous;  // live blocks in a ring; those in quarantine in a row

  [[nodiscard]] std::uintptr_t begin() const { return reinterpret_cast<std::uintptr_t>(this) + sizeof(Block); }
  [[nodiscard]] std::uintptr_t end() const { return begin() + size; }
  [[nodiscard]] std::size_t whole() const { return lead + size + tail; }
};
static_assert(sizeof(Block) == 64 && alignof(Block) <= 16);

// Where the memory comes from: the C library's functions of these names.
struct Source {
  void* (*allocate)(std::size_t size);
  void* (*allocate_zeroed)(std::size_t count, std::size_t size);
  void* (*allocate_aligned)(std::size_t alignment, std::size_t size);
  void (*release)(void* memory);
};

struct AllocationRequest {
  std::size_t size = 0;
  std::size_t alignment = 16;  // a power of two
  Allocator allocator = Allocator::kMalloc;
  bool zeroed = false;
  StackDepot::Id stack = 0;
  std::uint32_t thread = 0;
};

enum class Released : std::uint8_t {
  kDone,
  kNoBlock,    // no block of this heap begins there
  kTwice,      // it was freed before, and is in quarantine
  kOtherWay,   // it was given by another allocator; it is released all the same
  kOtherSize,  // it was said to have another size; it is released all the same
};

// Where an address lies that has to do with a block.
struct Neighbour {
  const Block* block = nullptr;  // null: with none
  enum class Side : std::uint8_t { kBefore, kInside, kAfter } side = Side::kInside;
  std::size_t distance = 0;  // bytes: from the block's begin, or its end
  bool freed = false;
};

class Heap {
 public:
  static constexpr std::size_t kDefaultQuarantine = std::size_t{16} << 20;
  constexpr Heap(const Shadow& shadow, const Source& source) : shadow_(shadow), source_(source) {}

  // Bytes that freed blocks may have together, red zones included.
  void set_quarantine(std::size_t bytes) { quarantine_limit_ = bytes; }

  // nullptr where there is no memory. Fresh bytes that are not asked to be zero hold 0xbe, so that who reads them
  // notices.
  [[nodiscard]] void* allocate(const AllocationRequest& request);
  // `size`: what the program says that the block has; 0 where it does not say.
  [[nodiscard]] Released release(void* memory, Allocator allocator, std::size_t size, StackDepot::Id stack,
                                 std::uint32_t thread);
  // The live block that begins at `memory`; null where there is none.
  [[nodiscard]] Block* find(const void* memory) const;
  // The block that `address` lies in or nearest to, in its red zones at most.
  [[nodiscard]] Neighbour near(std::uintptr_t address) const;

  // Calls visit(Block&) for every live block; no block comes or goes meanwhile.
  template <class Visit>
  void for_each(Visit visit) const {
    const LockGuard guard(lock_);
    for (Block* block = live_; block != nullptr; block = block->next == live_ ? nullptr : block->next) visit(*block);
  }
  [[nodiscard]] std::size_t live_blocks() const { return count_; }
  [[nodiscard]] std::size_t quarantined() const { return quarantined_; }

 private:
  [[nodiscard]] Block* block_at(std::uintptr_t begin, std::uint32_t secret) const;
  void enlist(Block& block);
  void delist(Block& block);
  void give_back(Block& block);

  const Shadow& shadow_;
  const Source source_;
  mutable Lock lock_;
  Block* live_ = nullptr;
  std::size_t count_ = 0;
  Block *oldest_ = nullptr, *newest_ = nullptr;  // the quarantine
  std::size_t quarantined_ = 0, quarantine_limit_ = kDefaultQuarantine;
};

}  // namespace coffer::sanitizer
