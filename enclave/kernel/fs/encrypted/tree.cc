#include "enclave/kernel/fs/encrypted/tree.h"

#include <errno.h>

#include <algorithm>
#include <cstring>

#include "enclave/kernel/fs/encrypted/space_map.h"

namespace coffer::kernel::fs::encrypted {

namespace {

constexpr std::uint64_t blocks_below(std::uint32_t level) {  // that one block of this level covers
  std::uint64_t blocks = 1;
  for (std::uint32_t i = 0; i < level; ++i) blocks *= kFanout;
  return blocks;
}

std::span<std::byte, kBlockSize> block_of(std::span<std::byte> bytes, std::size_t index) {
  return bytes.subspan(index * kBlockSize).first<kBlockSize>();
}

}  // namespace

Forest::Forest(BlockCache& cache, Sealer& sealer, HostFile& data)
    : cache_(cache),
      sealer_(sealer),
      data_(data),
      staging_(std::make_unique_for_overwrite<std::array<std::byte, kBatch * kBlockSize>>()) {}

Expected<Pointer> Forest::pointer_to(Tree& tree, std::uint32_t level, std::uint64_t index) {
  if (level > tree.height || index >= blocks_below(tree.height - level)) return Pointer{};
  if (level == tree.height) return tree.root;
  auto parent = load(tree, level + 1, index / kFanout);
  if (!parent) return error(parent.error());
  if (!*parent) return Pointer{};
  return (*parent)->entry(index % kFanout);
}

Expected<BufferRef> Forest::load(Tree& tree, std::uint32_t level, std::uint64_t index) {
  if (BufferRef cached = cache_.find(tree, level, index)) return cached;
  auto pointer = pointer_to(tree, level, index);
  if (!pointer) return error(pointer.error());
  if (pointer->is_hole()) return BufferRef();
  if (pointer->position() >= kMaxPosition) return error(EIO);
  BufferRef buffer = cache_.insert(tree, level, index);
  auto read = data_.read(pointer->position() * kBlockSize, buffer->data);
  const BlockIdentity identity{tree.object, level, index};
  if (!read || !sealer_.open_block(identity, *pointer, buffer->data, buffer->data)) {
    Buffer* bad = buffer.get();
    buffer = BufferRef();
    cache_.discard(*bad);
    return error(read ? EIO : read.error());
  }
  return buffer;
}

Expected<BufferRef> Forest::read_block(Tree& tree, std::uint64_t index) {
  if (tree.damaged) return error(EIO);
  return load(tree, 0, index);
}

Expected<BufferRef> Forest::modify_block(Tree& tree, std::uint64_t index, bool overwrite) {
  if (tree.damaged) return error(EIO);
  if (auto grown = grow(tree, index); !grown) return error(grown.error());
  BufferRef buffer;
  if (overwrite) {
    buffer = cache_.find(tree, 0, index);
  } else {
    auto loaded = load(tree, 0, index);
    if (!loaded) return error(loaded.error());
    buffer = std::move(*loaded);
  }
  if (!buffer) {
    buffer = cache_.insert(tree, 0, index);
    if (!overwrite) buffer->data.fill(std::byte{0});
  }
  cache_.mark_dirty(*buffer);
  return buffer;
}

Expected<void> Forest::grow(Tree& tree, std::uint64_t index) {
  while (index >= blocks_below(tree.height)) {
    if (tree.height >= kMaxHeight) return error(EFBIG);
    const std::uint32_t level = tree.height + 1;
    if (!tree.root.is_hole()) {
      BufferRef node = cache_.insert(tree, level, 0);
      node->data.fill(std::byte{0});
      node->set_entry(0, tree.root);
      cache_.mark_dirty(*node);
      tree.root = Pointer{};
    }
    tree.height = level;
    tree.changed = true;
  }
  return {};
}

Expected<BufferRef> Forest::modify_parent(Tree& tree, std::uint32_t level, std::uint64_t index) {
  auto loaded = load(tree, level + 1, index / kFanout);
  if (!loaded) return error(loaded.error());
  if (!*loaded) {
    *loaded = cache_.insert(tree, level + 1, index / kFanout);
    (*loaded)->data.fill(std::byte{0});
  }
  cache_.mark_dirty(**loaded);
  return loaded;
}

Expected<void> Forest::read_run(Tree& tree, std::uint64_t first, std::span<std::byte> into) {
  if (tree.damaged) return error(EIO);
  const std::size_t count = into.size() / kBlockSize;
  std::array<Pointer, kBatch> pending;
  std::size_t pending_count = 0;
  auto finish = [&](std::size_t end) -> Expected<void> {
    if (pending_count == 0) return {};
    const std::size_t begin = end - pending_count;
    auto done = read_positions(tree, first + begin, std::span(pending).first(pending_count),
                               into.subspan(begin * kBlockSize, pending_count * kBlockSize));
    pending_count = 0;
    return done;
  };
  for (std::size_t i = 0; i < count; ++i) {
    BufferRef cached = cache_.find(tree, 0, first + i);
    Pointer pointer;
    if (!cached) {
      auto found = pointer_to(tree, 0, first + i);
      if (!found) return error(found.error());
      pointer = *found;
      if (pointer.position() >= kMaxPosition) return error(EIO);
    }
    const bool joins = !pointer.is_hole() && pending_count != 0 && pending_count < kBatch &&
                       pending[pending_count - 1].position() + 1 == pointer.position();
    if (!joins) {
      if (auto done = finish(i); !done) return done;
    }
    if (cached) {
      std::memcpy(block_of(into, i).data(), cached->data.data(), kBlockSize);
    } else if (pointer.is_hole()) {
      std::memset(block_of(into, i).data(), 0, kBlockSize);
    } else {
      pending[pending_count++] = pointer;
    }
  }
  return finish(count);
}

Expected<void> Forest::read_positions(Tree& tree, std::uint64_t first, std::span<const Pointer> pointers,
                                      std::span<std::byte> into) {
  // Not straight into the caller's memory: another of its threads must not see, or change, what is being checked.
  const std::span<std::byte> stored = std::span(*staging_).first(into.size());
  if (auto read = data_.read(pointers[0].position() * kBlockSize, stored); !read) return read;
  for (std::size_t i = 0; i < pointers.size(); ++i) {
    const BlockIdentity identity{tree.object, 0, first + i};
    if (!sealer_.open_block(identity, pointers[i], block_of(stored, i), block_of(into, i))) return error(EIO);
  }
  return {};
}

std::vector<Buffer*> Forest::dirty_buffers(const Tree& tree, std::uint32_t level) {
  std::vector<Buffer*> found;
  for (Buffer* buffer = tree.dirty_buffers.newest; buffer != nullptr; buffer = buffer->state_next) {
    if (buffer->level == level) found.push_back(buffer);
  }
  std::sort(found.begin(), found.end(), [](const Buffer* a, const Buffer* b) { return a->index < b->index; });
  return found;
}

Expected<void> Forest::flush(Tree& tree) {
  if (tree.damaged) return error(EIO);
  for (std::uint32_t level = 0; level <= tree.height; ++level) {
    const std::vector<Buffer*> dirty = dirty_buffers(tree, level);
    for (std::size_t done = 0; done < dirty.size(); done += kBatch) {
      const std::size_t size = std::min(kBatch, dirty.size() - done);
      if (auto flushed = flush_batch(tree, std::span(dirty).subspan(done, size)); !flushed) return flushed;
    }
  }
  return {};
}

// All blocks of the batch have one level. Parents are pinned, so that nothing can fail once the blocks are written.
Expected<void> Forest::flush_batch(Tree& tree, std::span<Buffer* const> batch) {
  std::array<BufferRef, kBatch> parents;
  std::array<Pointer, kBatch> before, after;
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Buffer& buffer = *batch[i];
    if (buffer.level == tree.height) {
      before[i] = tree.root;
    } else {
      auto parent = modify_parent(tree, buffer.level, buffer.index);
      if (!parent) return error(parent.error());
      parents[i] = std::move(*parent);
      before[i] = parents[i]->entry(buffer.index % kFanout);
    }
    if (buffer.assigned != 0) {
      after[i].set_position(buffer.assigned);
    } else if (!before[i].is_hole() && sealer_.written_after(before[i], tree.mark)) {
      after[i].set_position(before[i].position());
    } else {
      ++wanted;
    }
  }

  ExtentList taken;
  auto give_back = [&](int why) {
    for (const Extent& run : taken) space_->unreserve(run);
    return error(why);
  };
  Extent run;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!after[i].is_hole()) continue;
    if (run.count == 0) {
      auto allocated = space_->allocate(wanted);
      if (!allocated) return give_back(allocated.error());
      run = *allocated;
      taken.append(run.start, run.count);
      wanted -= run.count;
    }
    after[i].set_position(run.start++);
    --run.count;
  }

  for (std::size_t i = 0; i < batch.size(); ++i) {
    const BlockIdentity identity{tree.object, batch[i]->level, batch[i]->index};
    sealer_.seal_block(identity, batch[i]->data, block_of(*staging_, i), after[i]);
  }
  // A block that is written in place, even half, is not what its old pointer says any more; but it is still dirty, and
  // no stored record refers to it.
  if (auto written = write_runs(std::span(after).first(batch.size())); !written) return give_back(written.error());

  tree.allocated.append(taken);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Buffer& buffer = *batch[i];
    if (parents[i]) {
      parents[i]->set_entry(buffer.index % kFanout, after[i]);
    } else {
      tree.root = after[i];
    }
    note_written(tree, buffer, before[i], after[i]);
    buffer.assigned = 0;
    cache_.mark_clean(buffer);
  }
  tree.changed = true;
  return {};
}

Expected<void> Forest::write_runs(std::span<const Pointer> pointers) {
  for (std::size_t begin = 0; begin < pointers.size();) {
    std::size_t end = begin + 1;
    while (end < pointers.size() && pointers[end].position() == pointers[end - 1].position() + 1) ++end;
    const auto bytes = std::span(*staging_).subspan(begin * kBlockSize, (end - begin) * kBlockSize);
    if (auto written = data_.write(pointers[begin].position() * kBlockSize, bytes); !written) return written;
    begin = end;
  }
  return {};
}

void Forest::note_written(Tree& tree, const Buffer& buffer, const Pointer& before, const Pointer& after) {
  const bool in_place = before.position() == after.position();
  if (buffer.assigned == 0 && !in_place && !before.is_hole() && !tree.orphan) tree.freed.append(before.position(), 1);
  // The list must not hold two states of one block.
  if (in_place || tree.unsynced.size() >= kMaxUnsynced) tree.unsynced_overflow = true;
  if (tree.unsynced_overflow) {
    tree.unsynced.clear();
    return;
  }
  tree.unsynced.push_back({after, tree.object, (std::uint64_t{buffer.level} << 56) | buffer.index});
}

Expected<void> Forest::truncate(Tree& tree, std::uint64_t keep) {
  if (tree.damaged) return error(EIO);
  Expected<void> freed;
  if (keep == 0) {
    freed = free_subtree(tree, tree.height, 0, tree.root);
  } else if (keep < blocks_below(tree.height)) {
    freed = free_from(tree, tree.height, 0, keep);
  }
  if (!freed) {
    tree.damaged = true;
    return freed;
  }
  for (Buffer* buffer = tree.buffers; buffer != nullptr;) {
    Buffer* next = buffer->owner_next;
    if (buffer->index * blocks_below(buffer->level) >= keep) cache_.discard(*buffer);
    buffer = next;
  }
  if (keep == 0) {
    tree.root = Pointer{};
    tree.height = 0;
  }
  tree.changed = true;
  return {};
}

// The node at (level, index) covers blocks on both sides of `keep`.
Expected<void> Forest::free_from(Tree& tree, std::uint32_t level, std::uint64_t index, std::uint64_t keep) {
  if (level == 0) return {};
  auto node = load(tree, level, index);
  if (!node) return error(node.error());
  const std::uint64_t below = blocks_below(level - 1);
  const std::uint64_t start = index * blocks_below(level);
  for (std::uint64_t slot = (keep - start) / below; slot < kFanout; ++slot) {
    const std::uint64_t child = index * kFanout + slot;
    if (child * below < keep) {
      if (auto freed = free_from(tree, level - 1, child, keep); !freed) return freed;
      continue;
    }
    const Pointer pointer = *node ? (*node)->entry(slot) : Pointer{};
    if (pointer.is_hole() && level == 1) continue;
    if (auto freed = free_subtree(tree, level - 1, child, pointer); !freed) return freed;
    if (pointer.is_hole()) continue;
    (*node)->set_entry(slot, Pointer{});
    cache_.mark_dirty(**node);
  }
  return {};
}

// A node may be in the cache alone, with a hole where its parent will point to it, so the cache decides.
Expected<void> Forest::free_subtree(Tree& tree, std::uint32_t level, std::uint64_t index, const Pointer& pointer) {
  if (level > 0) {
    BufferRef node = cache_.find(tree, level, index);
    if (!node && !pointer.is_hole()) {
      auto loaded = load(tree, level, index);
      if (!loaded) return error(loaded.error());
      node = std::move(*loaded);
    }
    const bool children_may_be_cached = level > 1 && tree.dirty != 0;
    for (std::uint64_t slot = 0; slot < kFanout; ++slot) {
      const Pointer child = node ? node->entry(slot) : Pointer{};
      if (child.is_hole() && !(node && children_may_be_cached)) continue;
      if (auto freed = free_subtree(tree, level - 1, index * kFanout + slot, child); !freed) return freed;
    }
  }
  if (!pointer.is_hole() && !tree.orphan) {
    ExtentList& list = sealer_.written_after(pointer, tree.mark) ? tree.wasted : tree.freed;
    list.append(pointer.position(), 1);
  }
  return {};
}

Expected<void> Forest::collect_committed(Tree& tree, ExtentList& into) {
  if (tree.damaged) return error(EIO);
  return collect_subtree(tree, tree.height, 0, tree.root, into);
}

Expected<void> Forest::collect_subtree(Tree& tree, std::uint32_t level, std::uint64_t index, const Pointer& pointer,
                                       ExtentList& into) {
  if (level > 0) {
    BufferRef node = cache_.find(tree, level, index);
    if (!node && !pointer.is_hole()) {
      auto loaded = load(tree, level, index);
      if (!loaded) return error(loaded.error());
      node = std::move(*loaded);
    }
    const bool children_may_be_cached = level > 1 && tree.dirty != 0;
    for (std::uint64_t slot = 0; slot < kFanout; ++slot) {
      const Pointer child = node ? node->entry(slot) : Pointer{};
      if (child.is_hole() && !(node && children_may_be_cached)) continue;
      if (auto done = collect_subtree(tree, level - 1, index * kFanout + slot, child, into); !done) return done;
    }
  }
  if (!pointer.is_hole() && !sealer_.written_after(pointer, tree.mark)) into.append(pointer.position(), 1);
  return {};
}

void Forest::discard(Tree& tree) {
  while (tree.buffers != nullptr) cache_.discard(*tree.buffers);
}

bool Forest::is_stored(const UnsyncedBlock& block) {
  if (block.pointer.position() == 0 || block.pointer.position() >= kMaxPosition) return false;
  const auto stored = block_of(*staging_, 0);
  if (!data_.read(block.pointer.position() * kBlockSize, stored)) return false;
  const BlockIdentity identity{block.object, block.level_and_index >> 56,
                               block.level_and_index & ((std::uint64_t{1} << 56) - 1)};
  return sealer_.open_block(identity, block.pointer, stored, stored);
}

}  // namespace coffer::kernel::fs::encrypted
