// The arena: memory that the host and the enclave's carrier share at one address, outside ELRANGE. Everything that
// crosses the boundary stands in it. The host's bookkeeping is its own and is not in it.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"

namespace coffer::host {

class Arena {
 public:
  // size: bytes, rounded up to pages. The address is random, in a range that loaders and libraries do not use.
  [[nodiscard]] static Result<Arena> make(std::uint64_t size);
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&&) = delete;
  ~Arena();

  [[nodiscard]] std::uint64_t base() const { return base_; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] int fd() const { return fd_.get(); }

  // A block of at least `size` bytes, 64-byte aligned (4096 where it is a page or more); its contents are not cleared.
  // Thread-safe. nullptr: the arena is full.
  [[nodiscard]] std::byte* allocate(std::uint64_t size);
  void release(std::byte* block);
  [[nodiscard]] bool contains(std::uint64_t address, std::uint64_t length) const {
    return address >= base_ && range_fits(address - base_, length, size_);
  }

 private:
  Arena(FileDescriptor fd, std::uint64_t base, std::uint64_t size);

  FileDescriptor fd_;
  std::uint64_t base_ = 0, size_ = 0;
  std::mutex lock_;
  std::map<std::uint64_t, std::uint64_t> free_;  // address -> bytes
  std::map<std::uint64_t, std::uint64_t> used_;
};

}  // namespace coffer::host
