#include "enclave/kernel/fs/image_fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "enclave/kernel/fs/path.h"

namespace coffer::kernel::fs {

Expected<std::size_t> ImageFileSystem::find(std::string_view path) const {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].path == path) return i;
  }
  // A file in the middle of the path is ENOTDIR, anything else missing is ENOENT.
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/', slash + 1)) {
    for (const Node& node : nodes_) {
      if (!node.directory && node.path == path.substr(0, slash)) return error(ENOTDIR);
    }
  }
  return error(ENOENT);
}

Expected<void> ImageFileSystem::add_directory(std::string_view path) {
  if (!path.starts_with('/')) return error(EINVAL);
  const auto absolute = normalise("/", path);
  if (!absolute) return error(absolute.error());
  const std::string_view relative = std::string_view(*absolute).substr(1);
  if (relative.empty()) return {};
  for (std::size_t end = relative.find('/');; end = relative.find('/', end + 1)) {
    const std::string_view part = relative.substr(0, end);
    if (const auto found = find(part); !found) {
      if (found.error() != ENOENT) return error(found.error());
      nodes_.push_back({std::string(part), {}, 0, true});
    } else if (!nodes_[*found].directory) {
      return error(ENOTDIR);
    }
    if (end == std::string_view::npos) return {};
  }
}

Expected<void> ImageFileSystem::add_file(const ImageFile& file) {
  if (!file.path.starts_with('/')) return error(EINVAL);
  const auto absolute = normalise("/", file.path);
  if (!absolute) return error(absolute.error());
  if (auto above = add_directory(parent_of(*absolute)); !above) return above;
  const std::string_view relative = std::string_view(*absolute).substr(1);
  if (find(relative)) return error(EEXIST);
  nodes_.push_back({std::string(relative), file.content, file.mode & 0777, false});
  return {};
}

FileStatus ImageFileSystem::status_of(std::size_t index) const {
  const Node& node = nodes_[index];
  FileStatus status;
  status.inode = index + 1;
  status.size = node.directory ? 0 : node.content.size();
  status.mode = node.directory ? S_IFDIR | 0555 : S_IFREG | (node.mode & ~std::uint32_t{0222});
  status.links = node.directory ? 2 : 1;
  return status;
}

Expected<Ref<File>> ImageFileSystem::open(std::string_view path, int open_flags, std::uint32_t /*mode*/) {
  const bool writes = (open_flags & O_ACCMODE) != O_RDONLY || (open_flags & O_TRUNC) != 0;
  const auto index = find(path);
  if (!index) {
    const bool creates = index.error() == ENOENT && (open_flags & O_CREAT) != 0;
    return error(creates ? EROFS : index.error());
  }
  if ((open_flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return error(EEXIST);
  const Node& node = nodes_[*index];
  if (!node.directory) {
    if ((open_flags & O_DIRECTORY) != 0) return error(ENOTDIR);
    if (writes) return error(EROFS);
    return Ref<File>(new MemoryFile(status_of(*index), node.content));
  }
  if (writes) return error(EISDIR);
  std::vector<DirectoryEntry> entries;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::string_view child = nodes_[i].path;
    if (child.empty()) continue;
    std::string_view name = child;
    if (!path.empty()) {
      if (!child.starts_with(path) || child.size() <= path.size() || child[path.size()] != '/') continue;
      name = child.substr(path.size() + 1);
    }
    if (name.find('/') != std::string_view::npos) continue;
    entries.push_back({std::string(name), i + 1, nodes_[i].directory ? std::uint8_t{DT_DIR} : std::uint8_t{DT_REG}});
  }
  return Ref<File>(new SnapshotDirectory(status_of(*index), std::move(entries)));
}

Expected<FileStatus> ImageFileSystem::status(std::string_view path) {
  const auto index = find(path);
  if (!index) return error(index.error());
  return status_of(*index);
}

Expected<std::string> ImageFileSystem::read_link(std::string_view path) {
  const auto index = find(path);
  return error(index ? EINVAL : index.error());
}

}  // namespace coffer::kernel::fs
