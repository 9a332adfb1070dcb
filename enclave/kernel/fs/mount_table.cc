#include "enclave/kernel/fs/mount_table.h"

#include <errno.h>

#include <algorithm>

#include "enclave/kernel/fs/path.h"

namespace coffer::kernel::fs {

Expected<void> MountTable::add(std::string_view path, FileSystem* file_system, bool read_only) {
  if (!path.starts_with('/')) return error(EINVAL);
  auto normal = normalise("/", path);
  if (!normal) return error(normal.error());
  if (is_mount_point(*normal)) return error(EBUSY);
  mounts_.push_back({*std::move(normal), file_system, read_only, mounts_.size() + 1});
  return {};
}

Expected<Location> MountTable::locate(std::string_view base, std::string_view path) const {
  auto absolute = normalise(base, path);
  if (!absolute) return error(absolute.error());
  Location location;
  std::string_view relative;
  for (const MountPoint& mount : mounts_) {
    std::string_view rest;
    if (!beneath(mount.path, *absolute, &rest)) continue;
    if (location.mount != nullptr && location.mount->path.size() > mount.path.size()) continue;
    location.mount = &mount;
    relative = rest;
  }
  if (location.mount == nullptr) return error(ENOENT);
  location.relative = relative;
  location.absolute = *std::move(absolute);
  location.must_be_directory = wants_directory(path);
  return location;
}

std::vector<std::string> MountTable::mounted_in(std::string_view absolute_directory) const {
  std::vector<std::string> names;
  for (const MountPoint& mount : mounts_) {
    std::string_view rest;
    if (!beneath(absolute_directory, mount.path, &rest) || rest.empty()) continue;
    const std::string name(rest.substr(0, rest.find('/')));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

bool MountTable::is_mount_point(std::string_view absolute) const {
  return std::any_of(mounts_.begin(), mounts_.end(), [&](const MountPoint& mount) { return mount.path == absolute; });
}

Expected<void> MountTable::sync_all() const {
  Expected<void> result;
  for (const MountPoint& mount : mounts_) {
    if (auto synced = mount.file_system->sync(); !synced) result = synced;
  }
  return result;
}

}  // namespace coffer::kernel::fs
