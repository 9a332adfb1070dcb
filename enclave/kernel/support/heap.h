// The kernel's heap: size classes carved from chunks, larger blocks straight from pages. Freestanding.
//
// Every block is zeroed when it is freed, so memory comes zeroed and secrets do not outlive their owner. A header
// before each block and a mark behind it show double frees, frees of what was never allocated, and writes beyond the
// end, at the time of the free: all of them panic. Thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "enclave/kernel/core/locks.h"

namespace coffer::kernel {

class Heap {
 public:
  // Zeroed pages; `size` is a multiple of 4096. nullptr where there are none.
  using TakePages = void* (*)(std::size_t size);
  using ReturnPages = void (*)(void* pages, std::size_t size);

  constexpr Heap(TakePages take, ReturnPages give_back) : take_(take), give_back_(give_back) {}
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  static constexpr std::size_t kDefaultAlignment = 16;
  static constexpr std::size_t kMaxAlignment = 4096;

  // Zeroed. `alignment` is a power of two up to kMaxAlignment. nullptr where memory ends.
  [[nodiscard]] void* allocate(std::size_t size, std::size_t alignment = kDefaultAlignment);
  // nullptr is fine.
  void release(void* memory);

  // Bytes in live blocks, as asked for.
  [[nodiscard]] std::size_t live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }

 private:
  // Four classes to each doubling from 64 bytes to 32 KiB, headers included.
  static constexpr std::size_t kClasses = 37;
  static constexpr std::size_t kChunk = 64 * 1024;
  struct Header;
  struct FreeBlock {
    FreeBlock* next;
  };

  static std::size_t class_size(std::size_t index);
  static std::size_t class_of(std::size_t bytes);
  std::byte* take_block(std::size_t index);

  TakePages take_;
  ReturnPages give_back_;
  SpinLock lock_;
  std::array<FreeBlock*, kClasses> free_{};
  std::byte* chunk_ = nullptr;  // what is left of the newest chunk
  std::size_t chunk_left_ = 0;
  std::atomic<std::size_t> live_bytes_{0};
};

}  // namespace coffer::kernel
