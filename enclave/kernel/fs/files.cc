#include "enclave/kernel/fs/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "enclave/kernel/fs/links.h"
#include "enclave/kernel/fs/path.h"
#include "enclave/kernel/fs/proc_fs.h"
#include "enclave/kernel/fs/shared_mappings.h"

namespace coffer::kernel::fs {

namespace {

constexpr int kMostLinks = 8;  // of the kernel's own; they do not lead in circles

bool changes_file(int flags) { return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0; }

}  // namespace

Expected<Location> Files::locate(std::int64_t base, std::string_view path) {
  if (path.starts_with('/')) return mounts.locate("/", path);
  // The ABI passes an int; the upper half of the register is whatever the caller left there.
  if (static_cast<int>(base) == AT_FDCWD) return mounts.locate(working_directory(), path);
  const auto description = descriptors.get(static_cast<int>(base));
  if (!description) return error(description.error());
  const auto status = (*description)->file().status();
  if (!status) return error(status.error());
  if (!S_ISDIR(status->mode)) return error(ENOTDIR);
  return mounts.locate((*description)->path(), path);
}

int Files::descriptor_at(const Location& location) const {
  return location.mount->file_system->has_own_links() ? descriptor_named_by(location.absolute, process.view.process_id)
                                                      : -1;
}

Expected<Location> Files::follow(const Location& link) {
  const auto target = link.mount->file_system->read_link(link.relative);
  if (!target) return error(target.error());
  return mounts.locate(parent_of(link.absolute), *target);
}

// A new description of the same file: a position and flags of its own, and no more rights than the old one.
Expected<Ref<Description>> Files::open_again(int number, int flags) {
  const auto old = descriptors.get(number);
  if (!old) return error(ENOENT);
  const bool reads = (flags & O_ACCMODE) != O_WRONLY;
  const bool writes = (flags & O_ACCMODE) != O_RDONLY;
  if ((reads && !(*old)->readable()) || (writes && !(*old)->writable())) return error(EACCES);
  return Ref<Description>(new Description((*old)->shared_file(), flags & ~(O_CREAT | O_EXCL | O_TRUNC), (*old)->path(),
                                          (*old)->file_system(), (*old)->device()));
}

Expected<Ref<Description>> Files::open(Location location, int flags, std::uint32_t mode) {
  if ((flags & O_TMPFILE) == O_TMPFILE) return error(EOPNOTSUPP);
  if ((flags & O_ACCMODE) == O_ACCMODE) return error(EINVAL);
  if ((flags & O_PATH) != 0) flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if (location.must_be_directory) {
    if ((flags & O_CREAT) != 0) return error(EISDIR);
    flags |= O_DIRECTORY;
  }
  for (int links = 0;; ++links) {
    if (const int number = descriptor_at(location); number >= 0) return open_again(number, flags);
    const MountPoint& mount = *location.mount;
    if (mount.read_only && changes_file(flags)) {
      const auto exists = mount.file_system->status(location.relative);
      return error(exists ? EROFS : exists.error() == ENOENT && (flags & O_CREAT) != 0 ? EROFS : exists.error());
    }
    const bool may_create = (flags & O_CREAT) != 0 && !mount.read_only;
    // What only concerns descriptions and descriptors is not the file system's matter.
    int wanted = flags & ~(O_APPEND | O_NONBLOCK | O_CLOEXEC | O_PATH | O_NOCTTY | O_ASYNC);
    if (!may_create) wanted &= ~(O_CREAT | O_EXCL);
    auto file = mount.file_system->open(location.relative, wanted, mode & ~umask.load() & 07777);
    if (file) {
      if (mount.read_only && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) return error(EEXIST);
      Ref<Description> opened(new Description(*std::move(file), flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC),
                                              std::move(location.absolute), mount.file_system, mount.device));
      // The file system has emptied the file; mappings of it are to see that.
      if ((flags & O_TRUNC) != 0 && has_shared_mappings()) ignore_failure(truncate_file(*opened, 0));
      return opened;
    }
    if (file.error() == ENOENT && mount.read_only && (flags & O_CREAT) != 0) return error(EROFS);
    const bool own_links = mount.file_system->has_own_links();
    const bool makes_new = (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    const bool follow_last = (flags & O_NOFOLLOW) == 0 && !makes_new;
    if (!stopped_at_link(file.error()) || links == kMostLinks) return error(file.error());
    if (own_links && (file.error() != ELOOP || !follow_last)) return error(file.error());
    auto target = own_links ? follow(location) : resolve_links(mounts, location, follow_last);
    if (!target) return error(target.error());
    if (target->absolute == location.absolute) return error(file.error());
    location = *std::move(target);
  }
}

Expected<FileStatus> Files::status(Description& description) {
  auto status = description.file().status();
  if (status) status->device = description.device();
  return status;
}

Expected<FileStatus> Files::status(Location location, bool follow_link) {
  for (int links = 0;; ++links) {
    FileSystem& file_system = *location.mount->file_system;
    const bool own_links = file_system.has_own_links();
    if (const int number = descriptor_at(location); number >= 0 && follow_link) {
      const auto description = descriptors.get(number);
      if (!description) return error(ENOENT);
      return status(**description);
    }
    const bool follow_last = follow_link || location.must_be_directory;
    auto status = follow_last ? file_system.status(location.relative) : file_system.link_status(location.relative);
    if (!status && stopped_at_link(status.error()) && !own_links && links < kMostLinks) {
      auto target = resolve_links(mounts, location, follow_last);
      if (!target) return error(target.error());
      if (target->absolute == location.absolute) return error(status.error());
      location = *std::move(target);
      continue;
    }
    if (!status) return error(status.error());
    if (follow_link && own_links && S_ISLNK(status->mode)) {
      if (links == kMostLinks) return error(ELOOP);
      auto target = follow(location);
      if (!target) return error(target.error());
      location = *std::move(target);
      continue;
    }
    if (location.must_be_directory && !S_ISDIR(status->mode)) return error(ENOTDIR);
    status->device = location.mount->device;
    return status;
  }
}

Expected<std::string> Files::read_link(const Location& location) {
  if (location.must_be_directory) {
    const auto status = this->status(location, true);
    return error(status ? EINVAL : status.error());
  }
  return through_links(mounts, location, false,
                       [](const Location& at) { return at.mount->file_system->read_link(at.relative); });
}

Expected<void> Files::make_directory(const Location& location, std::uint32_t mode) {
  return through_links(mounts, location, false, [&](const Location& at) -> Expected<void> {
    if (at.relative.empty()) return error(EEXIST);
    if (at.mount->read_only) return error(EROFS);
    return at.mount->file_system->make_directory(at.relative, mode & ~umask.load() & 01777);
  });
}

Expected<void> Files::remove(const Location& location, bool directory) {
  return through_links(mounts, location, false, [&](const Location& at) -> Expected<void> {
    if (at.relative.empty()) return error(directory ? EBUSY : EISDIR);
    if (at.mount->read_only) return error(EROFS);
    if (!directory && at.must_be_directory) return error(ENOTDIR);
    return at.mount->file_system->remove(at.relative, directory);
  });
}

// Of two names: what `operation` answers for them with the links on their ways followed.
template <class Operation>
Expected<void> Files::between(const Location& from, const Location& to, Operation operation) {
  const auto checked = [&](const Location& source, const Location& target) -> Expected<void> {
    if (source.mount != target.mount) return error(EXDEV);
    if (source.mount->read_only) return error(EROFS);
    return operation(*source.mount->file_system, source.relative, target.relative);
  };
  auto result = checked(from, to);
  if (result || !stopped_at_link(result.error())) return result;
  const auto source = resolve_links(mounts, from, false);
  const auto target = resolve_links(mounts, to, false);
  if (!source || !target) return error(source ? target.error() : source.error());
  if (source->absolute == from.absolute && target->absolute == to.absolute) return result;
  return checked(*source, *target);
}

Expected<void> Files::rename(const Location& from, const Location& to, unsigned flags) {
  if (from.relative.empty() || to.relative.empty()) return error(EBUSY);
  return between(from, to, [&](FileSystem& file_system, std::string_view source, std::string_view target) {
    return file_system.rename(source, target, flags);
  });
}

Expected<void> Files::link(const Location& from, const Location& to, bool follow_last) {
  if (from.relative.empty()) return error(EPERM);  // a directory
  if (to.relative.empty()) return error(EEXIST);
  auto source = follow_last ? resolve_links(mounts, from, true) : Expected<Location>(from);
  if (!source) return error(source.error());
  if (source->must_be_directory) {
    const auto found = status(*source, true);
    return error(found ? EPERM : found.error());
  }
  if (to.must_be_directory) return error(ENOENT);
  return between(*source, to, [](FileSystem& file_system, std::string_view old_name, std::string_view new_name) {
    return file_system.link(old_name, new_name);
  });
}

Expected<void> Files::make_symbolic_link(std::string_view target, const Location& location) {
  if (target.empty()) return error(ENOENT);
  return through_links(mounts, location, false, [&](const Location& at) -> Expected<void> {
    if (at.relative.empty()) return error(EEXIST);
    if (at.must_be_directory) return error(ENOENT);
    if (at.mount->read_only) return error(EROFS);
    return at.mount->file_system->make_symbolic_link(target, at.relative);
  });
}

Expected<void> Files::change(const Location& location, const AttributeChange& change, bool follow_last) {
  if (location.mount->file_system->has_own_links()) {
    auto description = open(location, O_RDONLY | O_NONBLOCK, 0);
    if (!description) return error(description.error());
    return (*description)->file().change(change);
  }
  if (location.must_be_directory) {
    if (const auto found = status(location, true); !found) return error(found.error());
  }
  follow_last = follow_last || location.must_be_directory;
  return through_links(mounts, location, follow_last, [&](const Location& at) -> Expected<void> {
    if (at.mount->read_only) return error(EROFS);
    return at.mount->file_system->change(at.relative, change, follow_last);
  });
}

std::string Files::working_directory() {
  LockGuard guard(directory_lock_);
  return directory_;
}

Expected<void> Files::change_directory(const Location& location) {
  const auto found = status(location, true);
  if (!found) return error(found.error());
  if (!S_ISDIR(found->mode)) return error(ENOTDIR);
  const auto resolved = resolve_links(mounts, location, true);
  std::string directory = resolved ? resolved->absolute : location.absolute;
  LockGuard guard(directory_lock_);
  directory_.swap(directory);
  return {};
}

Expected<std::size_t> read_for_mapping(int descriptor, std::uint64_t offset, std::span<std::byte> into) {
  const auto description = files().descriptors.get(descriptor);
  if (!description) return error(EBADF);
  if (!(*description)->readable()) return error(EACCES);
  if (!(*description)->file().seekable()) return error(ENODEV);
  std::size_t done = 0;
  while (done < into.size()) {
    const auto count = read_file(**description, offset + done, into.subspan(done));
    if (!count) return error(count.error() == EISDIR ? ENODEV : count.error());
    if (*count == 0 || *count > into.size() - done) break;
    done += *count;
  }
  return done;
}

}  // namespace coffer::kernel::fs
