// Which file system serves a path: the longest mount point that it lies beneath. Freestanding.
// Built at start by one thread; after that only read, from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

struct MountPoint {
  std::string path;  // absolute, normalised
  FileSystem* file_system = nullptr;
  bool read_only = false;
  std::uint64_t device = 0;  // st_dev of everything in it
};

struct Location {
  const MountPoint* mount = nullptr;
  std::string absolute;            // normalised
  std::string relative;            // to the mount point; "" is its root
  bool must_be_directory = false;  // the path ended in '/', "." or ".."
};

class MountTable {
 public:
  // The file system stays the caller's and must outlive the table. EBUSY where something is mounted there, EINVAL where
  // the path is not absolute.
  Expected<void> add(std::string_view path, FileSystem* file_system, bool read_only);

  // `base` is the absolute directory that relative paths start from. Never touches a file system.
  [[nodiscard]] Expected<Location> locate(std::string_view base, std::string_view path) const;

  // Names of mount points directly in the directory, which its listing must show.
  [[nodiscard]] std::vector<std::string> mounted_in(std::string_view absolute_directory) const;
  [[nodiscard]] bool is_mount_point(std::string_view absolute) const;

  Expected<void> sync_all() const;
  [[nodiscard]] const std::vector<MountPoint>& all() const { return mounts_; }

 private:
  std::vector<MountPoint> mounts_;
};

}  // namespace coffer::kernel::fs
