// Decrypted blocks and nodes in enclave memory, bounded. Freestanding. Used with the mount's lock held.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "enclave/kernel/fs/encrypted/format.h"

namespace coffer::kernel::fs::encrypted {

struct Tree;

struct Buffer {
  Tree* owner = nullptr;
  std::uint32_t level = 0;
  std::uint32_t pins = 0;
  std::uint64_t index = 0;
  std::uint64_t assigned = 0;  // a position chosen before the flush (the space map's own blocks), or 0
  bool dirty = false;
  Buffer* hash_next = nullptr;
  // The list of all clean buffers, the latest used first, or that of the owner's dirty ones.
  Buffer *state_prev = nullptr, *state_next = nullptr;
  Buffer *owner_prev = nullptr, *owner_next = nullptr;
  alignas(64) std::array<std::byte, kBlockSize> data;

  [[nodiscard]] Pointer entry(std::uint64_t slot) const {
    Pointer pointer;
    std::memcpy(&pointer, data.data() + slot * sizeof(Pointer), sizeof(Pointer));
    return pointer;
  }
  void set_entry(std::uint64_t slot, const Pointer& pointer) {
    std::memcpy(data.data() + slot * sizeof(Pointer), &pointer, sizeof(Pointer));
  }
};

// Keeps a buffer from being evicted while somebody looks at it.
class BufferRef {
 public:
  BufferRef() = default;
  explicit BufferRef(Buffer* buffer) : buffer_(buffer) {
    if (buffer_ != nullptr) ++buffer_->pins;
  }
  BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferRef& operator=(BufferRef&& other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  BufferRef(const BufferRef&) = delete;
  BufferRef& operator=(const BufferRef&) = delete;
  ~BufferRef() {
    if (buffer_ != nullptr) --buffer_->pins;
  }
  explicit operator bool() const { return buffer_ != nullptr; }
  Buffer* operator->() const { return buffer_; }
  Buffer& operator*() const { return *buffer_; }
  [[nodiscard]] Buffer* get() const { return buffer_; }

 private:
  Buffer* buffer_ = nullptr;
};

struct BufferList {
  Buffer *newest = nullptr, *oldest = nullptr;
};

class BlockCache {
 public:
  // Holds about `limit` buffers; more only while more than that are dirty or in use.
  explicit BlockCache(std::size_t limit);
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;
  ~BlockCache();

  [[nodiscard]] BufferRef find(Tree& tree, std::uint32_t level, std::uint64_t index);
  // A new clean buffer of undefined content; none of this identity may exist.
  [[nodiscard]] BufferRef insert(Tree& tree, std::uint32_t level, std::uint64_t index);
  void mark_dirty(Buffer& buffer);
  void mark_clean(Buffer& buffer);
  // Forgets the buffer and what was written to it; it must not be in use.
  void discard(Buffer& buffer);

  [[nodiscard]] std::size_t limit() const { return limit_; }
  [[nodiscard]] std::size_t dirty() const { return dirty_; }

 private:
  [[nodiscard]] std::size_t bucket(const Tree& tree, std::uint32_t level, std::uint64_t index) const;
  static void link(BufferList& list, Buffer& buffer);
  static void unlink(BufferList& list, Buffer& buffer);
  [[nodiscard]] Buffer* take_victim();
  void detach(Buffer& buffer);

  std::size_t limit_, count_ = 0, dirty_ = 0;
  std::vector<Buffer*> buckets_;
  BufferList clean_;
};

}  // namespace coffer::kernel::fs::encrypted
