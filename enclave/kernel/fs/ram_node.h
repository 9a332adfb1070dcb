// One file or directory of RamFileSystem. Freestanding.
#pragma once

#include <string>
#include <vector>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/ram_fs.h"

namespace coffer::kernel::fs {

// How much of the budget's nodes one takes: long targets of links more.
inline std::size_t nodes_for(std::string_view link_target) { return 1 + link_target.size() / 512; }

class RamNode final : public Shared {
 public:
  // The budget has nodes_for(link_target) taken for it.
  RamNode(Ref<RamFileSystem::Budget> budget, std::uint32_t mode, Timestamp now, std::string_view link_target = {});

  [[nodiscard]] bool is_directory() const;
  [[nodiscard]] bool is_link() const;
  [[nodiscard]] const std::string& link_target() const { return link_target_; }
  [[nodiscard]] FileStatus status();
  [[nodiscard]] Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into);
  [[nodiscard]] Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from, Timestamp now);
  // Writes at the end; returns the new end.
  [[nodiscard]] Expected<std::uint64_t> append(std::span<const std::byte> from, Timestamp now);
  [[nodiscard]] Expected<void> truncate(std::uint64_t size, Timestamp now);
  void change(const AttributeChange& change, Timestamp now);

  struct Child {
    std::string name;
    Ref<RamNode> node;
  };
  // Guarded by the file system's tree lock.
  std::vector<Child> children;
  std::atomic<std::uint32_t> names{1};  // how many children it is; written under the tree lock
  [[nodiscard]] Child* child(std::string_view name);
  [[nodiscard]] std::uint64_t inode() const { return inode_; }
  [[nodiscard]] std::uint32_t type() const;

 private:
  ~RamNode() override;
  Expected<std::size_t> write_locked(std::uint64_t offset, std::span<const std::byte> from, Timestamp now);

  const std::uint64_t inode_;
  const std::string link_target_;  // symbolic links
  Ref<RamFileSystem::Budget> budget_;
  SleepLock lock_;  // guards what follows; copies under it may be long
  std::uint32_t mode_;
  std::uint64_t size_ = 0;
  Timestamp mtime_, ctime_, atime_;
  std::vector<std::byte*> blocks_;  // nullptr: a hole
};

}  // namespace coffer::kernel::fs
