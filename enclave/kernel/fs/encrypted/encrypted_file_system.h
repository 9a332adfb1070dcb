// `encrypted` mounts: files, names and directories of one host directory, encrypted and authenticated with a mount key.
//
// What the host stores is one state of the whole tree (docs/design/encrypted-files.md). What it changes, swaps, cuts or
// puts back from an older state answers EIO, never wrong content; an older state of the WHOLE mount cannot be told from
// the newest. After a crash a file is as it was at its last sync or close, or, where the machine lost power, at one
// before that was not older than its last sync.
//
// Freestanding. Thread-safe. The mount is one user's at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

namespace encrypted {
class Volume;
struct Object;
struct KeyHeader;

// Seconds and nanoseconds since 1970; may be the host's word.
using Clock = void (*)(std::int64_t* seconds, std::uint32_t* nanoseconds);

struct EncryptedOptions {
  std::string_view label;  // bound into the keys; the mount point, so that the host cannot exchange two mounts
  bool read_only = false;
  std::size_t cache_blocks = 2048;  // of 4 KiB; at least 64
  Clock clock = nullptr;            // without one all times are 0
  // Where the mount key is derived: what a new volume notes of it (format.h). A key of a volume that was found is not
  // for a new one, whose origin the host would have chosen: `must_exist` makes a missing volume EIO.
  const KeyHeader* key_header = nullptr;
  bool must_exist = false;
};

// What the host's directory says of the key of its volume; not authentic, but another key opens nothing. ENOENT where
// there is no volume, EIO for what no version ever wrote.
[[nodiscard]] Expected<KeyHeader> read_key_header(HostDirectory& host);
}  // namespace encrypted
using encrypted::EncryptedOptions;

class EncryptedFileSystem final : public FileSystem {
 public:
  // `host` and all that it stands on must outlive the file system. Makes a new volume where the directory has none
  // (ENOENT for a read-only mount). EIO: what is stored does not belong together, or to this key and label.
  [[nodiscard]] static Expected<std::unique_ptr<EncryptedFileSystem>> mount(HostDirectory& host,
                                                                            std::span<const std::byte, 32> mount_key,
                                                                            const EncryptedOptions& options);
  // Commits what can be committed; call sync() before to learn of errors. All files must be closed.
  ~EncryptedFileSystem() override;

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
  Expected<void> sync() override;

 private:
  friend class EncryptedFile;
  explicit EncryptedFileSystem(std::unique_ptr<encrypted::Volume> volume);

  struct Place;
  class Use;
  [[nodiscard]] Expected<Place> find_parent(std::string_view path);
  [[nodiscard]] Expected<Place> find_room(std::string_view path);
  [[nodiscard]] Expected<std::uint64_t> find_inode(std::string_view path);
  [[nodiscard]] Expected<FileStatus> status_at(std::string_view path, bool follow_last);
  [[nodiscard]] Expected<void> give_up_name(encrypted::Object& object);
  [[nodiscard]] Expected<Ref<File>> open_inode(std::uint64_t inode, int open_flags);
  [[nodiscard]] Expected<Ref<File>> create_file(Place& place, std::uint32_t mode, bool writable);
  [[nodiscard]] Expected<void> replace_target(Place& from, Place& to, std::uint64_t moved, unsigned flags);

  SleepLock lock_;  // held across requests to the host
  std::unique_ptr<encrypted::Volume> volume_;
};

}  // namespace coffer::kernel::fs
