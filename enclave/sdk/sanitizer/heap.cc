#include "enclave/sdk/sanitizer/heap.h"

#include "enclave/sdk/sanitizer/bytes.h"

namespace coffer::sanitizer {

namespace {

constexpr std::uint32_t kLive = 0x11fe'b10c, kFreed = 0xdead'b10c;
constexpr std::size_t kLeastTail = 16, kMostTail = 2048;
constexpr std::uint8_t kFreshByte = 0xbe;
constexpr std::size_t kMostFilled = 4096;
constexpr std::size_t kMostSize = std::size_t{1} << 40;

std::uint32_t mark_of(std::uintptr_t begin, std::uint32_t secret) {
  return secret ^ static_cast<std::uint32_t>(begin >> 4);
}

// The larger the block, the further its program may miss it. The program's end and the red zone's are granules' ends.
std::size_t tail_of(std::size_t size) {
  std::size_t tail = size / 8;
  if (tail < kLeastTail) tail = kLeastTail;
  if (tail > kMostTail) tail = kMostTail;
  return (size + tail + kGranule - 1) / kGranule * kGranule - size;
}

std::uintptr_t underlying(const Block& block) { return block.begin() - block.lead; }

Neighbour relation(const Block& block, std::uintptr_t address, bool freed) {
  if (address < block.begin()) return {&block, Neighbour::Side::kBefore, block.begin() - address, freed};
  if (address < block.end()) return {&block, Neighbour::Side::kInside, address - block.begin(), freed};
  return {&block, Neighbour::Side::kAfter, address - block.end(), freed};
}

bool has(const Block& block, std::uintptr_t address) {
  return address >= underlying(block) && address - underlying(block) < block.whole();
}

}  // namespace

void* Heap::allocate(const AllocationRequest& request) {
  if (request.size > kMostSize || request.alignment > kMostSize) return nullptr;
  const bool aligned = request.alignment > 16;
  const std::size_t lead = request.alignment > sizeof(Block) ? request.alignment : sizeof(Block);
  const std::size_t tail = tail_of(request.size);
  const std::size_t whole = lead + request.size + tail;
  void* memory = nullptr;
  if (aligned) {
    memory = source_.allocate_aligned(request.alignment, whole);
    if (memory != nullptr && request.zeroed) fill_bytes(memory, 0, whole);
  } else {
    memory = request.zeroed ? source_.allocate_zeroed(1, whole) : source_.allocate(whole);
  }
  if (memory == nullptr) return nullptr;

  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(memory) + lead;
  auto& block = *reinterpret_cast<Block*>(begin - sizeof(Block));
  block = {.mark = mark_of(begin, kLive),
           .allocator = request.allocator,
           .ignored = false,
           .reserved = 0,
           .unused = 0,
           .size = request.size,
           .lead = static_cast<std::uint32_t>(lead),
           .tail = static_cast<std::uint32_t>(tail),
           .allocated = request.stack,
           .freed = 0,
           .allocating_thread = request.thread,
           .freeing_thread = 0,
           .next = nullptr,
           .previous = nullptr};
  if (!request.zeroed) {
    fill_bytes(reinterpret_cast<void*>(begin), kFreshByte, request.size < kMostFilled ? request.size : kMostFilled);
  }
  shadow_.poison(begin - lead, lead, Poison::kHeap);
  const std::uintptr_t after = (begin + request.size + kGranule - 1) / kGranule * kGranule;
  shadow_.poison(after, begin + request.size + tail - after, Poison::kHeap);
  shadow_.unpoison(begin, request.size);
  const LockGuard guard(lock_);
  enlist(block);
  return reinterpret_cast<void*>(begin);
}

Released Heap::release(void* memory, Allocator allocator, std::size_t size, StackDepot::Id stack,
                       std::uint32_t thread) {
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  Block* row = nullptr;  // those that leave the quarantine
  Released result = Released::kDone;
  {
    const LockGuard guard(lock_);
    Block* block = block_at(begin, kLive);
    if (block == nullptr) return block_at(begin, kFreed) != nullptr ? Released::kTwice : Released::kNoBlock;
    if (block->allocator != allocator) result = Released::kOtherWay;
    if (size != 0 && size != block->size && result == Released::kDone) result = Released::kOtherSize;
    delist(*block);
    block->mark = mark_of(begin, kFreed);
    block->freed = stack;
    block->freeing_thread = thread;
    shadow_.poison(begin, block->size, Poison::kFreed);
    block->next = nullptr;
    (newest_ == nullptr ? oldest_ : newest_->next) = block;
    newest_ = block;
    quarantined_ += block->whole();
    row = oldest_;
    Block* last = nullptr;
    while (quarantined_ > quarantine_limit_ && oldest_ != nullptr) {
      last = oldest_;
      quarantined_ -= oldest_->whole();
      oldest_ = oldest_->next;
    }
    if (oldest_ == nullptr) newest_ = nullptr;
    if (last == nullptr) {
      row = nullptr;
    } else {
      last->next = nullptr;
    }
  }
  while (row != nullptr) {
    Block* next = row->next;
    give_back(*row);
    row = next;
  }
  return result;
}

// Where nothing of the row is reachable any more.
void Heap::give_back(Block& block) {
  const std::uintptr_t memory = underlying(block);
  const std::size_t whole = block.whole();
  block.mark = 0;
  shadow_.unpoison(memory, whole);
  source_.release(reinterpret_cast<void*>(memory));
}

// A structure in front of `begin` is believed where it lies in a red zone as a whole and knows its place.
Block* Heap::block_at(std::uintptr_t begin, std::uint32_t secret) const {
  if (begin % 16 != 0 || !shadow_.covers(begin) || !shadow_.covers(begin - sizeof(Block))) return nullptr;
  for (std::uintptr_t at = begin - sizeof(Block); at < begin; at += kGranule) {
    if (shadow_.at(at) != static_cast<std::uint8_t>(Poison::kHeap)) return nullptr;
  }
  auto* block = reinterpret_cast<Block*>(begin - sizeof(Block));
  return block->mark == mark_of(begin, secret) ? block : nullptr;
}

Block* Heap::find(const void* memory) const {
  const LockGuard guard(lock_);
  return block_at(reinterpret_cast<std::uintptr_t>(memory), kLive);
}

Neighbour Heap::near(std::uintptr_t address) const {
  const LockGuard guard(lock_);
  for (const Block* block = live_; block != nullptr; block = block->next == live_ ? nullptr : block->next) {
    if (has(*block, address)) return relation(*block, address, false);
  }
  for (const Block* block = oldest_; block != nullptr; block = block->next) {
    if (has(*block, address)) return relation(*block, address, true);
  }
  return {};
}

void Heap::enlist(Block& block) {
  ++count_;
  if (live_ == nullptr) {
    block.next = block.previous = live_ = &block;
    return;
  }
  block.next = live_;
  block.previous = live_->previous;
  block.previous->next = block.next->previous = &block;
}

void Heap::delist(Block& block) {
  --count_;
  block.previous->next = block.next;
  block.next->previous = block.previous;
  if (live_ == &block) live_ = block.next == &block ? nullptr : block.next;
}

}  // namespace coffer::sanitizer
