#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <utility>

#include "enclave/kernel/fs/encrypted/directory.h"
#include "enclave/kernel/fs/encrypted/encrypted_file.h"
#include "enclave/kernel/fs/encrypted/volume.h"

namespace coffer::kernel::fs {

using encrypted::Directory;
using encrypted::InodeRecord;
using encrypted::Object;
using encrypted::Volume;

namespace {

constexpr unsigned kRenameNoReplace = 1;
constexpr std::uint32_t kPermissionBits = 07777;

}  // namespace

FileStatus status_of(std::uint64_t inode, const InodeRecord& record, bool orphan) {
  FileStatus status;
  status.inode = inode;
  status.size = record.size;
  status.mode = record.mode;
  status.links = S_ISDIR(record.mode) ? 2 : 1;
  if (orphan) status.links = 0;
  status.mtime_s = status.atime_s = record.mtime_s;
  status.ctime_s = record.ctime_s;
  status.mtime_ns = status.atime_ns = record.mtime_ns;
  status.ctime_ns = record.ctime_ns;
  return status;
}

// An object in use for as long as this lives. The mount's lock is held throughout.
class EncryptedFileSystem::Use {
 public:
  Use() = default;
  Use(Volume& volume, Object* object) : volume_(&volume), object_(object) {}
  Use(Use&& other) noexcept : volume_(other.volume_), object_(std::exchange(other.object_, nullptr)) {}
  Use& operator=(Use&& other) noexcept {
    std::swap(volume_, other.volume_);
    std::swap(object_, other.object_);
    return *this;
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() {
    if (object_ != nullptr) volume_->release(object_);
  }
  static Expected<Use> of(Volume& volume, std::uint64_t inode) {
    auto object = volume.acquire(inode);
    if (!object) return error(object.error());
    return Use(volume, *object);
  }
  Object* operator->() const { return object_; }
  Object& operator*() const { return *object_; }
  Object* release() { return std::exchange(object_, nullptr); }

 private:
  Volume* volume_ = nullptr;
  Object* object_ = nullptr;
};

// The directory that holds a path's last name.
struct EncryptedFileSystem::Place {
  Use directory;
  std::string_view name;
};

EncryptedFileSystem::EncryptedFileSystem(std::unique_ptr<Volume> volume) : volume_(std::move(volume)) {}
EncryptedFileSystem::~EncryptedFileSystem() = default;

Expected<std::unique_ptr<EncryptedFileSystem>> EncryptedFileSystem::mount(HostDirectory& host,
                                                                          std::span<const std::byte, 32> mount_key,
                                                                          const EncryptedOptions& options) {
  auto volume = Volume::open(host, mount_key, options);
  if (!volume) return error(volume.error());
  return std::unique_ptr<EncryptedFileSystem>(new EncryptedFileSystem(std::move(*volume)));
}

Expected<EncryptedFileSystem::Place> EncryptedFileSystem::find_parent(std::string_view path) {
  auto here = Use::of(*volume_, encrypted::kRootInode);
  if (!here) return error(here.error());
  for (;;) {
    if (!(*here)->is_directory()) return error(ENOTDIR);
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return Place{std::move(*here), path};
    auto entry = Directory(volume_->forest(), **here).find(path.substr(0, slash));
    if (!entry) return error(entry.error());
    here = Use::of(*volume_, entry->inode);
    if (!here) return error(here.error());
    path.remove_prefix(slash + 1);
  }
}

Expected<std::uint64_t> EncryptedFileSystem::find_inode(std::string_view path) {
  if (path.empty()) return encrypted::kRootInode;
  auto place = find_parent(path);
  if (!place) return error(place.error());
  auto entry = Directory(volume_->forest(), *place->directory).find(place->name);
  if (!entry) return error(entry.error());
  return entry->inode;
}

Expected<Ref<File>> EncryptedFileSystem::open(std::string_view path, int open_flags, std::uint32_t mode) {
  LockGuard guard(lock_);
  const bool writable = (open_flags & O_ACCMODE) != O_RDONLY;
  const bool creates = (open_flags & O_CREAT) != 0;
  if ((open_flags & __O_TMPFILE) == __O_TMPFILE) return error(EOPNOTSUPP);
  if (path.empty()) {
    if (creates && (open_flags & O_EXCL) != 0) return error(EEXIST);
    return open_inode(encrypted::kRootInode, open_flags);
  }
  auto place = find_parent(path);
  if (!place) return error(place.error());
  auto entry = Directory(volume_->forest(), *place->directory).find(place->name);
  if (entry) {
    if (creates && (open_flags & O_EXCL) != 0) return error(EEXIST);
    return open_inode(entry->inode, open_flags);
  }
  if (entry.error() != ENOENT || !creates) return error(entry.error());
  if (volume_->read_only()) return error(EROFS);
  if ((open_flags & O_DIRECTORY) != 0) return error(EINVAL);
  return create_file(*place, mode, writable);
}

Expected<Ref<File>> EncryptedFileSystem::open_inode(std::uint64_t inode, int open_flags) {
  auto use = Use::of(*volume_, inode);
  if (!use) return error(use.error());
  const bool writable = (open_flags & O_ACCMODE) != O_RDONLY;
  const bool truncates = (open_flags & O_TRUNC) != 0;
  if ((*use)->is_directory()) {
    if (writable || truncates || (open_flags & O_CREAT) != 0) return error(EISDIR);
  } else if ((open_flags & O_DIRECTORY) != 0) {
    return error(ENOTDIR);
  }
  if ((writable || truncates) && volume_->read_only()) return error(EROFS);
  Ref<EncryptedFile> file(new EncryptedFile(*this, use->release(), writable));
  if (truncates) {
    if (auto cut = file->truncate_locked(0); !cut) return error(file->give_up(cut.error()));
  }
  return file;
}

Expected<Ref<File>> EncryptedFileSystem::create_file(Place& place, std::uint32_t mode, bool writable) {
  if (place.name.size() > encrypted::kMaxName) return error(ENAMETOOLONG);
  auto object = volume_->create(S_IFREG | (mode & kPermissionBits));
  if (!object) return error(object.error());
  auto added = Directory(volume_->forest(), *place.directory).add(place.name, {(*object)->number, DT_REG});
  if (!added) {
    (void)volume_->drop(**object);
    volume_->release(*object);
    return error(added.error());
  }
  volume_->touch(*place.directory);
  return Ref<EncryptedFile>(new EncryptedFile(*this, *object, writable));
}

Expected<FileStatus> EncryptedFileSystem::status(std::string_view path) {
  LockGuard guard(lock_);
  auto inode = find_inode(path);
  if (!inode) return error(inode.error());
  auto record = volume_->record_of(*inode);
  if (!record) return error(record.error());
  return status_of(*inode, *record, false);
}

Expected<void> EncryptedFileSystem::make_directory(std::string_view path, std::uint32_t mode) {
  LockGuard guard(lock_);
  if (path.empty()) return error(EEXIST);
  if (volume_->read_only()) return error(EROFS);
  auto place = find_parent(path);
  if (!place) return error(place.error());
  if (place->name.size() > encrypted::kMaxName) return error(ENAMETOOLONG);
  Directory parent(volume_->forest(), *place->directory);
  auto existing = parent.find(place->name);
  if (existing) return error(EEXIST);
  if (existing.error() != ENOENT) return error(existing.error());
  auto object = volume_->create(S_IFDIR | (mode & kPermissionBits));
  if (!object) return error(object.error());
  Use use(*volume_, *object);
  if (auto added = parent.add(place->name, {use->number, DT_DIR}); !added) {
    (void)volume_->drop(*use);
    return added;
  }
  volume_->touch(*place->directory);
  return volume_->commit(nullptr, Volume::Durability::kEnclave);
}

Expected<void> EncryptedFileSystem::remove(std::string_view path, bool directory) {
  LockGuard guard(lock_);
  if (path.empty()) return error(EBUSY);
  if (volume_->read_only()) return error(EROFS);
  auto place = find_parent(path);
  if (!place) return error(place.error());
  Directory parent(volume_->forest(), *place->directory);
  auto entry = parent.find(place->name);
  if (!entry) return error(entry.error());
  auto use = Use::of(*volume_, entry->inode);
  if (!use) return error(use.error());
  if ((*use)->is_directory() != directory) return error(directory ? ENOTDIR : EISDIR);
  if (directory && !Directory(volume_->forest(), **use).empty()) return error(ENOTEMPTY);
  if (auto removed = parent.remove(place->name); !removed) return removed;
  if (auto dropped = volume_->drop(**use); !dropped) {
    (void)parent.add(place->name, *entry);
    return dropped;
  }
  volume_->touch(*place->directory);
  return volume_->commit(nullptr, Volume::Durability::kEnclave);
}

// What stands at the new name gives way, where that is allowed.
Expected<void> EncryptedFileSystem::replace_target(Place& from, Place& to, std::uint64_t moved, unsigned flags) {
  Directory source(volume_->forest(), *from.directory);
  Directory target(volume_->forest(), *to.directory);
  auto entry = source.find(from.name);
  if (!entry) return error(entry.error());
  auto existing = target.find(to.name);
  if (!existing && existing.error() != ENOENT) return error(existing.error());
  if (!existing) {
    if (auto added = target.add(to.name, *entry); !added) return added;
    return source.remove(from.name);
  }
  if ((flags & kRenameNoReplace) != 0) return error(EEXIST);
  if (existing->inode == moved) return {};
  auto old = Use::of(*volume_, existing->inode);
  if (!old) return error(old.error());
  const bool moves_directory = entry->type == DT_DIR;
  if ((*old)->is_directory() != moves_directory) return error(moves_directory ? ENOTDIR : EISDIR);
  if (moves_directory && !Directory(volume_->forest(), **old).empty()) return error(ENOTEMPTY);
  if (auto replaced = target.replace(to.name, *entry); !replaced) return replaced;
  if (auto dropped = volume_->drop(**old); !dropped) {
    (void)target.replace(to.name, *existing);
    return dropped;
  }
  return source.remove(from.name);
}

Expected<void> EncryptedFileSystem::rename(std::string_view from, std::string_view to, unsigned flags) {
  LockGuard guard(lock_);
  if (from.empty() || to.empty()) return error(EBUSY);
  if (volume_->read_only()) return error(EROFS);
  if ((flags & ~kRenameNoReplace) != 0) return error(EINVAL);
  if (to.size() > from.size() && to.starts_with(from) && to[from.size()] == '/') return error(EINVAL);
  auto source = find_parent(from);
  if (!source) return error(source.error());
  auto target = find_parent(to);
  if (!target) return error(target.error());
  if (target->name.size() > encrypted::kMaxName) return error(ENAMETOOLONG);
  auto entry = Directory(volume_->forest(), *source->directory).find(source->name);
  if (!entry) return error(entry.error());
  auto moved = Use::of(*volume_, entry->inode);
  if (!moved) return error(moved.error());
  if (auto replaced = replace_target(*source, *target, entry->inode, flags); !replaced) return replaced;
  volume_->touch(*source->directory);
  volume_->touch(*target->directory);
  // With the content that the file has now: who writes a file beside the old one and renames it wants one or the other.
  Object* content = (*moved)->is_dirty() ? &**moved : nullptr;
  return volume_->commit(content, Volume::Durability::kEnclave);
}

Expected<std::string> EncryptedFileSystem::read_link(std::string_view path) {
  LockGuard guard(lock_);
  auto inode = find_inode(path);
  return error(inode ? EINVAL : inode.error());
}

Expected<void> EncryptedFileSystem::sync() {
  LockGuard guard(lock_);
  return volume_->commit_everything();
}

}  // namespace coffer::kernel::fs
