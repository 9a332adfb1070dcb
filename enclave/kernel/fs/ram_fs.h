// Files in the enclave's own memory (/tmp): nobody outside sees them, and they end with the enclave. Freestanding;
// thread-safe; never calls the host but for time stamps.
#pragma once

#include <atomic>
#include <memory>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

inline constexpr std::size_t kRamBlock = 16 * 1024;

// Where blocks of kRamBlock bytes come from; nullptr from take() is ENOSPC. Blocks need not be zero.
struct RamBlocks {
  std::byte* (*take)();
  void (*give_back)(std::byte* block);
};
// Blocks from operator new, which panics when memory has run out: the limit must keep below that.
RamBlocks heap_blocks();

class RamNode;

class RamFileSystem final : public FileSystem {
 public:
  // At most `limit` bytes of content, counted in blocks, and at most `max_nodes` files and directories: ENOSPC above.
  RamFileSystem(std::uint64_t limit, std::size_t max_nodes, RamBlocks blocks);
  ~RamFileSystem() override;

  Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<void> make_directory(std::string_view path, std::uint32_t mode) override;
  Expected<void> remove(std::string_view path, bool directory) override;
  Expected<void> rename(std::string_view from, std::string_view to, unsigned flags) override;
  Expected<FileStatus> link_status(std::string_view path) override;
  Expected<std::string> read_link(std::string_view path) override;
  Expected<void> change(std::string_view path, const AttributeChange& change, bool follow) override;
  Expected<void> link(std::string_view from, std::string_view to) override;
  Expected<void> make_symbolic_link(std::string_view target, std::string_view path) override;
  Expected<void> sync() override { return {}; }

  // Shared by all nodes, which outlive the file system as long as they are open.
  class Budget : public Shared {
   public:
    Budget(std::uint64_t limit, std::size_t max_nodes, RamBlocks blocks)
        : blocks_(blocks), free_blocks_(limit / kRamBlock), free_nodes_(max_nodes) {}
    std::byte* take_block();  // zeroed; nullptr: no more
    void give_back_block(std::byte* block);
    bool take_node();
    void give_back_node() { free_nodes_.fetch_add(1); }

   private:
    RamBlocks blocks_;
    std::atomic<std::uint64_t> free_blocks_;
    std::atomic<std::size_t> free_nodes_;
  };

 private:
  Expected<Ref<RamNode>> find_unlocked(std::string_view path, bool follow_last) const;
  // All with tree_lock_ held. ELOOP where a symbolic link is on the way: it is the caller of the file system that
  // follows (links.h). What find() finds may be one itself.
  Expected<Ref<RamNode>> find(std::string_view path) const;
  Expected<Ref<RamNode>> find_parent(std::string_view path, std::string_view* name) const;
  Expected<Ref<RamNode>> make(RamNode& parent, std::string_view name, std::uint32_t mode,
                              std::string_view link_target = {});

  mutable SpinLock tree_lock_;  // guards every directory's children; short, and nothing in it calls the host
  Ref<Budget> budget_;
  Ref<RamNode> root_;
};

}  // namespace coffer::kernel::fs
