#include "enclave/kernel/fs/encrypted/encrypted_file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cstring>
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
  status.links = S_ISDIR(record.mode) ? 2 : 1 + record.more_names;
  if (orphan) status.links = 0;
  status.mtime_s = status.atime_s = record.mtime_s;
  status.ctime_s = record.ctime_s;
  status.mtime_ns = status.atime_ns = record.mtime_ns;
  status.ctime_ns = record.ctime_ns;
  return status;
}

void apply_change(Volume& volume, Object& object, const AttributeChange& change) {
  InodeRecord& record = object.record;
  volume.stamp(object);
  if (change.set_mode) record.mode = (record.mode & S_IFMT) | (change.mode & kPermissionBits);
  if (change.set_mtime) {
    record.mtime_s = change.mtime_s;
    record.mtime_ns = change.mtime_ns;
  }
  object.record_dirty = object.record_dirty || change.set_mode || change.set_mtime;
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
    if (!(*here)->is_directory()) return error((*here)->is_link() ? ELOOP : ENOTDIR);
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return Place{std::move(*here), path};
    auto entry = Directory(volume_->forest(), **here).find(path.substr(0, slash));
    if (!entry) return error(entry.error());
    here = Use::of(*volume_, entry->inode);
    if (!here) return error(here.error());
    path.remove_prefix(slash + 1);
  }
}

// Where a new name can be put.
Expected<EncryptedFileSystem::Place> EncryptedFileSystem::find_room(std::string_view path) {
  if (path.empty()) return error(EEXIST);
  if (volume_->read_only()) return error(EROFS);
  auto place = find_parent(path);
  if (!place) return place;
  if (place->name.size() > encrypted::kMaxName) return error(ENAMETOOLONG);
  const auto existing = Directory(volume_->forest(), *place->directory).find(place->name);
  if (existing) return error(EEXIST);
  if (existing.error() != ENOENT) return error(existing.error());
  return place;
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
  if ((*use)->is_link()) return error(ELOOP);  // the caller of the file system follows (links.h)
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

Expected<FileStatus> EncryptedFileSystem::status_at(std::string_view path, bool follow_last) {
  LockGuard guard(lock_);
  auto inode = find_inode(path);
  if (!inode) return error(inode.error());
  auto record = volume_->record_of(*inode);
  if (!record) return error(record.error());
  if (follow_last && S_ISLNK(record->mode)) return error(ELOOP);
  return status_of(*inode, *record, false);
}

Expected<FileStatus> EncryptedFileSystem::status(std::string_view path) { return status_at(path, true); }

Expected<FileStatus> EncryptedFileSystem::link_status(std::string_view path) { return status_at(path, false); }

Expected<void> EncryptedFileSystem::make_directory(std::string_view path, std::uint32_t mode) {
  LockGuard guard(lock_);
  auto place = find_room(path);
  if (!place) return error(place.error());
  auto object = volume_->create(S_IFDIR | (mode & kPermissionBits));
  if (!object) return error(object.error());
  Use use(*volume_, *object);
  Directory parent(volume_->forest(), *place->directory);
  if (auto added = parent.add(place->name, {use->number, DT_DIR}); !added) {
    (void)volume_->drop(*use);
    return added;
  }
  volume_->touch(*place->directory);
  return volume_->commit(nullptr, Volume::Durability::kEnclave);
}

// One name of the object is gone, or about to be.
Expected<void> EncryptedFileSystem::give_up_name(Object& object) {
  const std::uint32_t more = object.record.more_names;
  return more == 0 ? volume_->drop(object) : volume_->set_more_names(object, more - 1);
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
  if (auto dropped = give_up_name(**use); !dropped) {
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
  if (auto dropped = give_up_name(**old); !dropped) {
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
  if (!inode) return error(inode.error());
  auto use = Use::of(*volume_, *inode);
  if (!use) return error(use.error());
  if (!(*use)->is_link()) return error(EINVAL);
  auto block = volume_->forest().read_block((*use)->tree, 0);
  if (!block) return error(block.error());
  if (!*block) return error(EIO);
  return std::string(reinterpret_cast<const char*>((*block)->data.data()), (*use)->record.size);
}

Expected<void> EncryptedFileSystem::change(std::string_view path, const AttributeChange& change, bool follow) {
  LockGuard guard(lock_);
  auto inode = find_inode(path);
  if (!inode) return error(inode.error());
  auto use = Use::of(*volume_, *inode);
  if (!use) return error(use.error());
  if (follow && (*use)->is_link()) return error(ELOOP);
  if (volume_->read_only()) return error(EROFS);
  apply_change(*volume_, **use, change);
  volume_->release(use->release(), true);
  return {};
}

Expected<void> EncryptedFileSystem::link(std::string_view from, std::string_view to) {
  LockGuard guard(lock_);
  auto inode = find_inode(from);
  if (!inode) return error(inode.error());
  auto use = Use::of(*volume_, *inode);
  if (!use) return error(use.error());
  if ((*use)->is_directory()) return error(EPERM);
  auto place = find_room(to);
  if (!place) return error(place.error());
  const std::uint32_t more = (*use)->record.more_names;
  if (more >= encrypted::kMaxMoreNames) return error(EMLINK);
  if (auto counted = volume_->set_more_names(**use, more + 1); !counted) return counted;
  const auto type = static_cast<std::uint8_t>(IFTODT((*use)->record.mode));
  if (auto added = Directory(volume_->forest(), *place->directory).add(place->name, {*inode, type}); !added) {
    (void)volume_->set_more_names(**use, more);
    return added;
  }
  volume_->touch(*place->directory);
  return volume_->commit(nullptr, Volume::Durability::kEnclave);
}

Expected<void> EncryptedFileSystem::make_symbolic_link(std::string_view target, std::string_view path) {
  LockGuard guard(lock_);
  if (target.empty() || target.size() > encrypted::kMaxLinkTarget) return error(target.empty() ? ENOENT : ENAMETOOLONG);
  auto place = find_room(path);
  if (!place) return error(place.error());
  auto object = volume_->create(S_IFLNK | 0777);
  if (!object) return error(object.error());
  Use use(*volume_, *object);
  auto block = volume_->forest().modify_block(use->tree, 0, true);
  Expected<void> made = block ? Expected<void>() : error(block.error());
  if (block) {
    (*block)->data.fill(std::byte{0});
    std::memcpy((*block)->data.data(), target.data(), target.size());
    use->record.size = target.size();
    made = Directory(volume_->forest(), *place->directory).add(place->name, {use->number, DT_LNK});
  }
  if (!made) {
    (void)volume_->drop(*use);
    return made;
  }
  volume_->touch(*use);
  volume_->touch(*place->directory);
  return volume_->commit(&*use, Volume::Durability::kEnclave);
}

Expected<void> EncryptedFileSystem::sync() {
  LockGuard guard(lock_);
  return volume_->commit_everything();
}

}  // namespace coffer::kernel::fs
