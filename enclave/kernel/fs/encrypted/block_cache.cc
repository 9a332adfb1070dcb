#include "enclave/kernel/fs/encrypted/block_cache.h"

#include <bit>

#include "enclave/kernel/fs/encrypted/tree.h"

namespace coffer::kernel::fs::encrypted {

BlockCache::BlockCache(std::size_t limit) : limit_(limit), buckets_(std::bit_ceil(limit * 2)) {}

BlockCache::~BlockCache() {
  for (Buffer* buffer : buckets_) {
    while (buffer != nullptr) delete std::exchange(buffer, buffer->hash_next);
  }
}

std::size_t BlockCache::bucket(const Tree& tree, std::uint32_t level, std::uint64_t index) const {
  std::uint64_t mixed = reinterpret_cast<std::uintptr_t>(&tree) >> 4;
  mixed = (mixed ^ (std::uint64_t{level} << 56) ^ index) * 0x9e3779b97f4a7c15;
  return (mixed >> 32) & (buckets_.size() - 1);
}

BufferRef BlockCache::find(Tree& tree, std::uint32_t level, std::uint64_t index) {
  for (Buffer* buffer = buckets_[bucket(tree, level, index)]; buffer != nullptr; buffer = buffer->hash_next) {
    if (buffer->owner != &tree || buffer->level != level || buffer->index != index) continue;
    if (!buffer->dirty && clean_.newest != buffer) {
      unlink(clean_, *buffer);
      link(clean_, *buffer);
    }
    return BufferRef(buffer);
  }
  return {};
}

BufferRef BlockCache::insert(Tree& tree, std::uint32_t level, std::uint64_t index) {
  Buffer* buffer = count_ >= limit_ ? take_victim() : nullptr;
  if (buffer == nullptr) buffer = new Buffer;
  buffer->owner = &tree;
  buffer->level = level;
  buffer->index = index;
  buffer->assigned = 0;
  buffer->dirty = false;
  ++count_;
  Buffer*& head = buckets_[bucket(tree, level, index)];
  buffer->hash_next = head;
  head = buffer;
  buffer->owner_prev = nullptr;
  buffer->owner_next = tree.buffers;
  if (tree.buffers != nullptr) tree.buffers->owner_prev = buffer;
  tree.buffers = buffer;
  link(clean_, *buffer);
  return BufferRef(buffer);
}

void BlockCache::mark_dirty(Buffer& buffer) {
  if (buffer.dirty) return;
  unlink(clean_, buffer);
  link(buffer.owner->dirty_buffers, buffer);
  buffer.dirty = true;
  ++dirty_;
  ++buffer.owner->dirty;
}

void BlockCache::mark_clean(Buffer& buffer) {
  if (!buffer.dirty) return;
  buffer.dirty = false;
  --dirty_;
  --buffer.owner->dirty;
  unlink(buffer.owner->dirty_buffers, buffer);
  link(clean_, buffer);
}

void BlockCache::discard(Buffer& buffer) {
  mark_clean(buffer);
  detach(buffer);
  delete &buffer;
}

void BlockCache::link(BufferList& list, Buffer& buffer) {
  buffer.state_prev = nullptr;
  buffer.state_next = list.newest;
  (list.newest != nullptr ? list.newest->state_prev : list.oldest) = &buffer;
  list.newest = &buffer;
}

void BlockCache::unlink(BufferList& list, Buffer& buffer) {
  (buffer.state_prev != nullptr ? buffer.state_prev->state_next : list.newest) = buffer.state_next;
  (buffer.state_next != nullptr ? buffer.state_next->state_prev : list.oldest) = buffer.state_prev;
}

Buffer* BlockCache::take_victim() {
  Buffer* victim = clean_.oldest;
  while (victim != nullptr && victim->pins != 0) victim = victim->state_prev;
  if (victim == nullptr) return nullptr;
  detach(*victim);
  // The cache may have grown past its limit while buffers were dirty: shrink it again, one buffer at a time.
  if (count_ >= limit_) {
    Buffer* extra = clean_.oldest;
    while (extra != nullptr && extra->pins != 0) extra = extra->state_prev;
    if (extra != nullptr) {
      detach(*extra);
      delete extra;
    }
  }
  return victim;
}

void BlockCache::detach(Buffer& buffer) {
  Buffer** link = &buckets_[bucket(*buffer.owner, buffer.level, buffer.index)];
  while (*link != &buffer) link = &(*link)->hash_next;
  *link = buffer.hash_next;
  (buffer.owner_prev != nullptr ? buffer.owner_prev->owner_next : buffer.owner->buffers) = buffer.owner_next;
  if (buffer.owner_next != nullptr) buffer.owner_next->owner_prev = buffer.owner_prev;
  unlink(clean_, buffer);
  --count_;
}

}  // namespace coffer::kernel::fs::encrypted
