// Trees of small files that the kernel writes when they are opened: /proc and /sys. Freestanding; thread-safe.
#pragma once

#include "enclave/kernel/fs/process_info.h"
#include "enclave/kernel/fs/snapshot_file.h"

namespace coffer::kernel::fs {

enum class GeneratedKind : std::uint8_t { kDirectory, kText, kLink };

struct GeneratedNode {
  std::string_view path;  // relative to the mount, parents before children; the root is not listed
  GeneratedKind kind;
  void (*generate)(const ProcessInfo& info, std::string& out);  // text or link target; null for directories
};

class GeneratedFileSystem : public UnchangeableFileSystem {
 public:
  // Both must outlive the file system.
  GeneratedFileSystem(std::span<const GeneratedNode> nodes, const ProcessInfo& info) : nodes_(nodes), info_(info) {}

  Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<std::string> read_link(std::string_view path) override;
  bool has_own_links() const override { return true; }

 protected:
  [[nodiscard]] const ProcessInfo& info() const { return info_; }
  // Statuses for nodes that a derived class adds.
  static FileStatus made_status(GeneratedKind kind, std::uint64_t inode);

 private:
  Expected<std::size_t> find(std::string_view path) const;  // index + 1; 0 is the root
  Expected<FileStatus> status_of(std::size_t index) const;

  const std::span<const GeneratedNode> nodes_;
  const ProcessInfo& info_;
};

// /sys as far as libraries look for the number of processors.
std::span<const GeneratedNode> sys_nodes();

}  // namespace coffer::kernel::fs
