// HostDirectory over requests to the host: one mount of the host's. Freestanding.
//
// The host is hostile. A count above what was asked, an errno outside 1..4095, a file type that does not exist, a
// directory entry with an empty name, ".", "..", '/' or NUL in it, records that do not fill the answer: each is EIO,
// and nothing of such an answer is used. Sizes, times and contents are whatever the host says. Thread-safe: there is no
// state but the mount's number; every request uses the calling thread's exchange area.
#pragma once

#include "enclave/kernel/core/kernel.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

// Most entries that a directory may have before entries() answers EOVERFLOW: the host chooses the number, and each
// costs kernel memory.
inline constexpr std::size_t kMaxDirectoryEntries = std::size_t{1} << 18;

class HostDirectoryCalls final : public HostDirectory {
 public:
  explicit HostDirectoryCalls(std::uint32_t mount_id) : mount_(mount_id) {}

  Expected<Handle> open(std::string_view path, int open_flags, std::uint32_t mode) override;
  void close(Handle handle) override;
  Expected<std::size_t> read_at(Handle handle, std::uint64_t offset, std::span<std::byte> into) override;
  Expected<std::size_t> write_at(Handle handle, std::uint64_t offset, std::span<const std::byte> from) override;
  Expected<void> truncate(Handle handle, std::uint64_t size) override;
  Expected<void> sync(Handle handle, bool data_only) override;
  Expected<FileStatus> status(Handle handle) override;
  Expected<FileStatus> status(std::string_view path) override;
  Expected<FileStatus> link_status(std::string_view path) override;
  Expected<void> make_directory(std::string_view path, std::uint32_t mode) override;
  Expected<void> remove(std::string_view path, bool directory) override;
  Expected<void> rename(std::string_view from, std::string_view to, unsigned flags) override;
  Expected<std::string> read_link(std::string_view path) override;
  Expected<std::vector<DirectoryEntry>> entries(std::string_view path) override;
  Expected<void> sync_directory(std::string_view path) override;
  Expected<void> change(Handle handle, const AttributeChange& change) override;
  Expected<void> change(std::string_view path, const AttributeChange& change, bool follow) override;
  Expected<void> link(std::string_view from, std::string_view to) override;
  Expected<void> make_symbolic_link(std::string_view target, std::string_view path) override;

 private:
  Expected<FileStatus> path_status(std::string_view path, bool follow);

  std::uint32_t mount_;
};

// One request each, shared with the standard streams. `offset` may be boundary::kCurrentPosition.
Expected<std::size_t> host_read(std::int32_t handle, std::uint64_t offset, std::span<std::byte> into);
Expected<std::size_t> host_write(std::int32_t handle, std::uint64_t offset, std::span<const std::byte> from);
Expected<FileStatus> host_status(std::int32_t handle);

// A host's result as a count of at most `most`, or the error: its errno where that is one, else EIO.
Expected<std::uint64_t> checked_result(std::int64_t result, std::uint64_t most);

}  // namespace coffer::kernel::fs
