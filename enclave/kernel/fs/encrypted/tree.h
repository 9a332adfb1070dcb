// Trees of encrypted blocks in coffer.data: copy-on-write, each block's tag in its parent. Freestanding. Used with the
// mount's lock held.
//
// A tree's changes stay in the cache, or go to blocks that no stored record refers to, until the volume commits them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "enclave/kernel/fs/encrypted/block_cache.h"
#include "enclave/kernel/fs/encrypted/extents.h"
#include "enclave/kernel/fs/encrypted/format.h"
#include "enclave/kernel/fs/encrypted/host_file.h"
#include "enclave/kernel/fs/encrypted/sealer.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs::encrypted {

class SpaceMap;

struct Tree {
  std::uint64_t object = 0;  // inode number
  Pointer root;
  std::uint32_t height = 0;
  bool changed = false;    // the root or the height differs from what was committed
  bool orphan = false;     // unlinked: its committed blocks are freed already
  bool damaged = false;    // a change failed half-way; only the committed state counts, and nothing is taken from here
  std::uint64_t mark = 0;  // the sealer's mark at the last commit: what was written since can be overwritten in place

  Buffer* buffers = nullptr;  // all that are cached
  BufferList dirty_buffers;
  std::size_t dirty = 0;  // how many

  ExtentList allocated, freed;          // since the last commit; `freed` were committed before...
  ExtentList wasted;                    // ...and these are in `allocated` too
  std::vector<UnsyncedBlock> unsynced;  // written since the last commit or sync of coffer.data...
  bool unsynced_overflow = false;       // ...where they are not too many

  [[nodiscard]] bool is_dirty() const { return dirty != 0 || changed; }
};

class Forest {
 public:
  Forest(BlockCache& cache, Sealer& sealer, HostFile& data);
  void set_space(SpaceMap& space) { space_ = &space; }

  static constexpr std::size_t kMaxRun = 32;  // blocks that one request to the host moves at most

  // The block for reading; an empty reference for a hole. Where it has to be read, and up to `ahead` blocks in all from
  // there on lie together, they come into the cache with the same request.
  [[nodiscard]] Expected<BufferRef> read_block(Tree& tree, std::uint64_t index, std::size_t ahead = 1);
  // The block, marked dirty. With `overwrite` its old content is not read, and what the caller gets is undefined.
  [[nodiscard]] Expected<BufferRef> modify_block(Tree& tree, std::uint64_t index, bool overwrite);
  // Whole blocks from `first` on straight into `into`, many with one request to the host.
  [[nodiscard]] Expected<void> read_run(Tree& tree, std::uint64_t first, std::span<std::byte> into);
  // At most kMaxRun whole blocks from `first` on, past the cache. Where the host refuses them they are in the cache,
  // dirty, and the flush that comes reports.
  [[nodiscard]] Expected<void> write_run(Tree& tree, std::uint64_t first, std::span<const std::byte> from);

  // Writes everything dirty; the tree's root is up to date after it.
  [[nodiscard]] Expected<void> flush(Tree& tree);
  // Frees the blocks from `keep` on.
  [[nodiscard]] Expected<void> truncate(Tree& tree, std::uint64_t keep);
  // The positions of all blocks that the tree had at its last commit and still has.
  [[nodiscard]] Expected<void> collect_committed(Tree& tree, ExtentList& into);
  // Forgets all buffers of the tree.
  void discard(Tree& tree);

  // For the space map, which places its own blocks.
  [[nodiscard]] Expected<Pointer> pointer_to(Tree& tree, std::uint32_t level, std::uint64_t index);
  [[nodiscard]] Expected<BufferRef> modify_parent(Tree& tree, std::uint32_t level, std::uint64_t index);
  [[nodiscard]] static std::vector<Buffer*> dirty_buffers(const Tree& tree, std::uint32_t level);
  [[nodiscard]] Expected<void> grow(Tree& tree, std::uint64_t index);

  // True where the stored block is what the entry of a root record says.
  [[nodiscard]] bool is_stored(const UnsyncedBlock& block);

 private:
  // A block that is to be stored.
  struct Unstored {
    const std::byte* content = nullptr;  // kBlockSize bytes
    std::uint64_t index = 0;
    std::uint64_t assigned = 0;  // its position, or 0
    [[nodiscard]] std::span<const std::byte, kBlockSize> bytes() const {
      return std::span<const std::byte, kBlockSize>(content, kBlockSize);
    }
  };

  [[nodiscard]] Expected<BufferRef> load(Tree& tree, std::uint32_t level, std::uint64_t index);
  [[nodiscard]] Expected<void> read_positions(Tree& tree, std::uint64_t first, std::span<const Pointer> pointers,
                                              std::span<std::byte> into);
  void fetch_ahead(Tree& tree, std::uint64_t first, std::size_t count);
  [[nodiscard]] Expected<void> flush_batch(Tree& tree, std::span<Buffer* const> batch);
  [[nodiscard]] Expected<void> store_batch(Tree& tree, std::uint32_t level, std::span<const Unstored> batch);
  [[nodiscard]] Expected<void> write_runs(std::span<const Pointer> pointers);
  [[nodiscard]] Expected<void> free_from(Tree& tree, std::uint32_t level, std::uint64_t index, std::uint64_t keep);
  [[nodiscard]] Expected<void> free_subtree(Tree& tree, std::uint32_t level, std::uint64_t index,
                                            const Pointer& pointer);
  // Calls visit(pointer) for all that is stored there, children first.
  template <class Visit>
  [[nodiscard]] Expected<void> visit_subtree(Tree& tree, std::uint32_t level, std::uint64_t index,
                                             const Pointer& pointer, const Visit& visit);
  void note_written(Tree& tree, std::uint32_t level, const Unstored& block, const Pointer& before,
                    const Pointer& after);

  BlockCache& cache_;
  Sealer& sealer_;
  HostFile& data_;
  SpaceMap* space_ = nullptr;
  std::unique_ptr<std::array<std::byte, kMaxRun * kBlockSize>> staging_;
};

}  // namespace coffer::kernel::fs::encrypted
