// Memory that host and enclave share, in pieces: what Enclave::allocate_shared() gives. Pieces that calls use over and
// over are kept by size, since finding room costs more than a call of 4 KiB.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "host/rung.h"

namespace coffer::host {

// Thread-safe.
class SharedMemory {
 public:
  explicit SharedMemory(Rung& rung) : rung_(rung), ordinary_(rung.shares_process()) {}
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  // Aligned to 64. In the arena, or malloc()'s where the enclave reaches all of this process. nullptr: none left.
  [[nodiscard]] void* allocate(std::uint64_t size);
  // Anything but a piece that was given out is left alone: the address can be the enclave's word.
  void release(void* memory);

 private:
  static constexpr std::uint64_t kSmallest = 256;  // bytes; each class is twice the one before
  static constexpr std::size_t kClasses = 10;      // up to 128 KiB
  static constexpr std::size_t kMostKept = 32;     // of each class
  static constexpr std::size_t kNoClass = kClasses;
  [[nodiscard]] static std::size_t class_of(std::uint64_t size);
  [[nodiscard]] void* find(std::uint64_t size) const;
  void give_back(void* memory) const;
  [[nodiscard]] void* take(std::size_t size_class, std::uint64_t size);

  Rung& rung_;
  const bool ordinary_;  // the process's own memory is as good
  std::mutex lock_;
  std::unordered_map<void*, std::size_t> given_;  // -> class
  std::array<std::vector<void*>, kClasses> kept_;
};

}  // namespace coffer::host
