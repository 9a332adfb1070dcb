#include "enclave/kernel/fs/encrypted/tree.h"

#include <errno.h>

#include <algorithm>

#include "enclave/kernel/fs/encrypted/space_map.h"

namespace coffer::kernel::fs::encrypted {

namespace {

constexpr std::uint64_t blocks_below(std::uint32_t level) {  // that one block of this level covers
  std::uint64_t blocks = 1;
  for (std::uint32_t i = 0; i < level; ++i) blocks *= kFanout;
  return blocks;
}

}  // namespace

Forest::Forest(BlockCache& cache, Sealer& sealer, HostFile& data)
    : cache_(cache),
      sealer_(sealer),
      data_(data),
      staging_(std::make_unique_for_overwrite<std::array<std::byte, kMaxRun * kBlockSize>>()) {}

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
  if (!read || !sealer_.open_block(CryptoBatch(), identity, *pointer, buffer->data, buffer->data)) {
    Buffer* bad = buffer.get();
    buffer = BufferRef();
    cache_.discard(*bad);
    return error(read ? EIO : read.error());
  }
  return buffer;
}

Expected<BufferRef> Forest::read_block(Tree& tree, std::uint64_t index, std::size_t ahead) {
  if (tree.damaged) return error(EIO);
  if (ahead > 1 && !cache_.find(tree, 0, index)) fetch_ahead(tree, index, std::min(ahead, kMaxRun));
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
    if (!tree.root.is_hole() || cache_.find(tree, tree.height, 0)) {
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
    // With what is above it, so that whoever walks the tree from its top meets it.
    if (level + 1 < tree.height) {
      if (auto above = modify_parent(tree, level + 1, index / kFanout); !above) return above;
    }
    *loaded = cache_.insert(tree, level + 1, index / kFanout);
    (*loaded)->data.fill(std::byte{0});
  }
  cache_.mark_dirty(**loaded);
  return loaded;
}

std::vector<Buffer*> Forest::dirty_buffers(const Tree& tree, std::uint32_t level) {
  std::vector<Buffer*> found;
  for (Buffer* buffer = tree.dirty_buffers.newest; buffer != nullptr; buffer = buffer->state_next) {
    if (buffer->level == level) found.push_back(buffer);
  }
  std::sort(found.begin(), found.end(), [](const Buffer* a, const Buffer* b) { return a->index < b->index; });
  return found;
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
template <class Visit>
Expected<void> Forest::visit_subtree(Tree& tree, std::uint32_t level, std::uint64_t index, const Pointer& pointer,
                                     const Visit& visit) {
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
      if (auto done = visit_subtree(tree, level - 1, index * kFanout + slot, child, visit); !done) return done;
    }
  }
  if (!pointer.is_hole()) visit(pointer);
  return {};
}

Expected<void> Forest::free_subtree(Tree& tree, std::uint32_t level, std::uint64_t index, const Pointer& pointer) {
  return visit_subtree(tree, level, index, pointer, [&](const Pointer& stored) {
    if (tree.orphan) return;
    ExtentList& list = sealer_.written_after(stored, tree.mark) ? tree.wasted : tree.freed;
    list.append(stored.position(), 1);
  });
}

Expected<void> Forest::collect_committed(Tree& tree, ExtentList& into) {
  if (tree.damaged) return error(EIO);
  return visit_subtree(tree, tree.height, 0, tree.root, [&](const Pointer& stored) {
    if (!sealer_.written_after(stored, tree.mark)) into.append(stored.position(), 1);
  });
}

void Forest::discard(Tree& tree) {
  while (tree.buffers != nullptr) cache_.discard(*tree.buffers);
}

bool Forest::is_stored(const UnsyncedBlock& block) {
  if (block.pointer.position() == 0 || block.pointer.position() >= kMaxPosition) return false;
  const auto stored = std::span(*staging_).first<kBlockSize>();
  if (!data_.read(block.pointer.position() * kBlockSize, stored)) return false;
  const BlockIdentity identity{block.object, block.level_and_index >> 56,
                               block.level_and_index & ((std::uint64_t{1} << 56) - 1)};
  return sealer_.open_block(CryptoBatch(), identity, block.pointer, stored, stored);
}

}  // namespace coffer::kernel::fs::encrypted
