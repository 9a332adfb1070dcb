// A host directory as it is: nothing is encrypted, nothing is believed but that counts are within what was asked. The
// host sees, changes and withholds all of it at will. Freestanding; thread-safe as its HostDirectory is.
#pragma once

#include <memory>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/host_directory_calls.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

class PlainFileSystem final : public FileSystem {
 public:
  explicit PlainFileSystem(std::unique_ptr<HostDirectory> directory) : directory_(std::move(directory)) {}

  Expected<Ref<File>> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<FileStatus> link_status(std::string_view path) override;
  Expected<void> make_directory(std::string_view path, std::uint32_t mode) override;
  Expected<void> remove(std::string_view path, bool directory) override;
  Expected<void> rename(std::string_view from, std::string_view to, unsigned flags) override;
  Expected<std::string> read_link(std::string_view path) override;
  bool has_host_links() const override { return true; }
  Expected<void> change(std::string_view path, const AttributeChange& change, bool follow) override;
  Expected<void> link(std::string_view from, std::string_view to) override;
  Expected<void> make_symbolic_link(std::string_view target, std::string_view path) override;
  // Writes go straight to the host's page cache, so there is nothing of the kernel's own to flush.
  Expected<void> sync() override { return {}; }
  std::uint64_t magic() const override { return 0xEF53; }  // EXT4_SUPER_MAGIC, what programs expect of a disk

 private:
  std::unique_ptr<HostDirectory> directory_;
  SleepLock append_lock_;  // one for all files: the same file may be open several times
};

}  // namespace coffer::kernel::fs
