// Blocks on their way between the cache, or the caller's memory, and the host (tree.h).
#include <errno.h>

#include <algorithm>
#include <cstring>

#include "enclave/kernel/fs/encrypted/space_map.h"
#include "enclave/kernel/fs/encrypted/tree.h"

namespace coffer::kernel::fs::encrypted {

namespace {

std::span<std::byte, kBlockSize> block_of(std::span<std::byte> bytes, std::size_t index) {
  return bytes.subspan(index * kBlockSize).first<kBlockSize>();
}

}  // namespace

Expected<void> Forest::read_run(Tree& tree, std::uint64_t first, std::span<std::byte> into) {
  if (tree.damaged) return error(EIO);
  const std::size_t count = into.size() / kBlockSize;
  std::array<Pointer, kMaxRun> pending;
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
    const bool joins = !pointer.is_hole() && pending_count != 0 && pending_count < kMaxRun &&
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
  const CryptoBatch crypto;
  for (std::size_t i = 0; i < pointers.size(); ++i) {
    const BlockIdentity identity{tree.object, 0, first + i};
    if (!sealer_.open_block(crypto, identity, pointers[i], block_of(stored, i), block_of(into, i))) return error(EIO);
  }
  return {};
}

// What the caller asked for is read once more, alone, where this fails; so whatever goes wrong here is not told.
void Forest::fetch_ahead(Tree& tree, std::uint64_t first, std::size_t count) {
  std::array<Pointer, kMaxRun> pointers;
  std::size_t found = 0;
  for (; found < count && !cache_.find(tree, 0, first + found); ++found) {
    const auto pointer = pointer_to(tree, 0, first + found);
    if (!pointer || pointer->is_hole() || pointer->position() >= kMaxPosition) break;
    if (found != 0 && pointers[found - 1].position() + 1 != pointer->position()) break;
    pointers[found] = *pointer;
  }
  if (found < 2) return;
  const std::span<std::byte> stored = std::span(*staging_).first(found * kBlockSize);
  if (!data_.read(pointers[0].position() * kBlockSize, stored)) return;
  const CryptoBatch crypto;
  for (std::size_t i = 0; i < found; ++i) {
    BufferRef buffer = cache_.insert(tree, 0, first + i);
    const BlockIdentity identity{tree.object, 0, first + i};
    if (sealer_.open_block(crypto, identity, pointers[i], block_of(stored, i), buffer->data)) continue;
    Buffer* bad = buffer.get();
    buffer = BufferRef();
    cache_.discard(*bad);
    return;
  }
}

Expected<void> Forest::write_run(Tree& tree, std::uint64_t first, std::span<const std::byte> from) {
  if (tree.damaged) return error(EIO);
  const std::size_t count = from.size() / kBlockSize;
  if (auto grown = grow(tree, first + count - 1); !grown) return grown;
  std::array<Unstored, kMaxRun> batch;
  for (std::size_t i = 0; i < count; ++i) batch[i] = {from.data() + i * kBlockSize, first + i, 0};
  auto stored = store_batch(tree, 0, std::span(batch).first(count));
  if (!stored && stored.error() == ENOSPC) {
    space_->spare_the_host(true);
    stored = store_batch(tree, 0, std::span(batch).first(count));
  }
  if (stored) {
    for (std::size_t i = 0; i < count; ++i) {
      if (Buffer* old = cache_.find(tree, 0, first + i).get()) cache_.discard(*old);
    }
    return {};
  }
  // What stood there uncommitted may be half overwritten, so the new content must not be lost.
  for (std::size_t i = 0; i < count; ++i) {
    auto block = modify_block(tree, first + i, true);
    if (!block) return error(block.error());
    std::memcpy((*block)->data.data(), batch[i].content, kBlockSize);
  }
  return {};
}

Expected<void> Forest::flush(Tree& tree) {
  if (tree.damaged) return error(EIO);
  for (std::uint32_t level = 0; level <= tree.height; ++level) {
    const std::vector<Buffer*> dirty = dirty_buffers(tree, level);
    for (std::size_t done = 0; done < dirty.size(); done += kMaxRun) {
      const std::size_t size = std::min(kMaxRun, dirty.size() - done);
      if (auto flushed = flush_batch(tree, std::span(dirty).subspan(done, size)); !flushed) return flushed;
    }
  }
  return {};
}

// All buffers of the batch have one level.
Expected<void> Forest::flush_batch(Tree& tree, std::span<Buffer* const> batch) {
  std::array<Unstored, kMaxRun> blocks;
  for (std::size_t i = 0; i < batch.size(); ++i)
    blocks[i] = {batch[i]->data.data(), batch[i]->index, batch[i]->assigned};
  if (auto stored = store_batch(tree, batch[0]->level, std::span(blocks).first(batch.size())); !stored) return stored;
  for (Buffer* buffer : batch) {
    buffer->assigned = 0;
    cache_.mark_clean(*buffer);
  }
  return {};
}

// Parents are pinned, so that nothing can fail once the blocks are written.
Expected<void> Forest::store_batch(Tree& tree, std::uint32_t level, std::span<const Unstored> batch) {
  std::array<BufferRef, kMaxRun> parents;
  std::array<Pointer, kMaxRun> before, after;
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Unstored& block = batch[i];
    if (level == tree.height) {
      before[i] = tree.root;
    } else {
      auto parent = modify_parent(tree, level, block.index);
      if (!parent) return error(parent.error());
      parents[i] = std::move(*parent);
      before[i] = parents[i]->entry(block.index % kFanout);
    }
    if (block.assigned != 0) {
      after[i].set_position(block.assigned);
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

  {
    const CryptoBatch crypto;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      // Not straight to where the host can write: the tag must be that of what was encrypted.
      const BlockIdentity identity{tree.object, level, batch[i].index};
      sealer_.seal_block(crypto, identity, batch[i].bytes(), block_of(*staging_, i), after[i]);
    }
  }
  // A block that is written in place, even half, is not what its old pointer says any more; but it is dirty in the
  // cache, then or now, and no stored record refers to it.
  if (auto written = write_runs(std::span(after).first(batch.size())); !written) return give_back(written.error());

  tree.allocated.append(taken);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (parents[i]) {
      parents[i]->set_entry(batch[i].index % kFanout, after[i]);
    } else {
      tree.root = after[i];
    }
    note_written(tree, level, batch[i], before[i], after[i]);
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

void Forest::note_written(Tree& tree, std::uint32_t level, const Unstored& block, const Pointer& before,
                          const Pointer& after) {
  const bool in_place = before.position() == after.position();
  if (block.assigned == 0 && !in_place && !before.is_hole() && !tree.orphan) tree.freed.append(before.position(), 1);
  // The list must not hold two states of one block.
  if (in_place || tree.unsynced.size() >= kMaxUnsynced) tree.unsynced_overflow = true;
  if (tree.unsynced_overflow) {
    tree.unsynced.clear();
    return;
  }
  tree.unsynced.push_back({after, tree.object, (std::uint64_t{level} << 56) | block.index});
}

}  // namespace coffer::kernel::fs::encrypted
