// System calls about names: directories, links, renames, the working directory, attributes.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

constexpr auto kHere = static_cast<std::uint64_t>(AT_FDCWD);

std::int64_t make_directory(std::uint64_t base, std::uint64_t path, std::uint64_t mode) {
  const auto location = user_location(base, path);
  if (!location) return -location.error();
  return answer(files().make_directory(*location, static_cast<std::uint32_t>(mode)));
}
std::int64_t sys_mkdir(const SyscallArguments& arguments) {
  return make_directory(kHere, arguments.a[0], arguments.a[1]);
}
std::int64_t sys_mkdirat(const SyscallArguments& arguments) {
  return make_directory(arguments.a[0], arguments.a[1], arguments.a[2]);
}

std::int64_t remove_name(std::uint64_t base, std::uint64_t path, bool directory) {
  const auto text = user_path(path);
  if (!text) return -text.error();
  if (directory && (*text == "." || text->ends_with("/."))) return -EINVAL;
  const auto location = files().locate(as_int(base), *text);
  if (!location) return -location.error();
  return answer(files().remove(*location, directory));
}
std::int64_t sys_rmdir(const SyscallArguments& arguments) { return remove_name(kHere, arguments.a[0], true); }
std::int64_t sys_unlink(const SyscallArguments& arguments) { return remove_name(kHere, arguments.a[0], false); }
std::int64_t sys_unlinkat(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[2]);
  if ((flags & ~AT_REMOVEDIR) != 0) return -EINVAL;
  return remove_name(arguments.a[0], arguments.a[1], (flags & AT_REMOVEDIR) != 0);
}

std::int64_t rename_name(std::uint64_t old_base, std::uint64_t old_path, std::uint64_t new_base, std::uint64_t new_path,
                         std::uint64_t flags) {
  constexpr std::uint64_t kKnown = 1 | 2;  // RENAME_NOREPLACE, RENAME_EXCHANGE
  if ((flags & ~kKnown) != 0 || flags == kKnown) return -EINVAL;
  const auto from = user_location(old_base, old_path);
  if (!from) return -from.error();
  const auto to = user_location(new_base, new_path);
  if (!to) return -to.error();
  return answer(files().rename(*from, *to, static_cast<unsigned>(flags)));
}
std::int64_t sys_rename(const SyscallArguments& arguments) {
  return rename_name(kHere, arguments.a[0], kHere, arguments.a[1], 0);
}
std::int64_t sys_renameat(const SyscallArguments& arguments) {
  return rename_name(arguments.a[0], arguments.a[1], arguments.a[2], arguments.a[3], 0);
}
std::int64_t sys_renameat2(const SyscallArguments& arguments) {
  return rename_name(arguments.a[0], arguments.a[1], arguments.a[2], arguments.a[3],
                     static_cast<std::uint32_t>(arguments.a[4]));
}

std::int64_t read_link(std::uint64_t base, std::uint64_t path, std::uint64_t buffer, std::uint64_t size) {
  if (as_int(size) <= 0) return -EINVAL;
  const auto location = user_location(base, path);
  if (!location) return -location.error();
  const auto target = files().read_link(*location);
  if (!target) return -target.error();
  const std::uint64_t count = target->size() < size ? target->size() : size;
  const UserBytes into = user_bytes(buffer, count, true);
  if (!into.ok) return -EFAULT;
  std::memcpy(into.bytes.data(), target->data(), count);
  return static_cast<std::int64_t>(count);
}
std::int64_t sys_readlink(const SyscallArguments& arguments) {
  return read_link(kHere, arguments.a[0], arguments.a[1], arguments.a[2]);
}
std::int64_t sys_readlinkat(const SyscallArguments& arguments) {
  return read_link(arguments.a[0], arguments.a[1], arguments.a[2], arguments.a[3]);
}

std::int64_t link_name(std::uint64_t old_base, std::uint64_t old_path, std::uint64_t new_base, std::uint64_t new_path,
                       int flags) {
  // AT_EMPTY_PATH would name a file without a name again, which no host can do for an enclave.
  if ((flags & ~AT_SYMLINK_FOLLOW) != 0) return -EINVAL;
  const auto from = user_location(old_base, old_path);
  if (!from) return -from.error();
  const auto to = user_location(new_base, new_path);
  if (!to) return -to.error();
  return answer(files().link(*from, *to, (flags & AT_SYMLINK_FOLLOW) != 0));
}
std::int64_t sys_link(const SyscallArguments& arguments) {
  return link_name(kHere, arguments.a[0], kHere, arguments.a[1], 0);
}
std::int64_t sys_linkat(const SyscallArguments& arguments) {
  return link_name(arguments.a[0], arguments.a[1], arguments.a[2], arguments.a[3], as_int(arguments.a[4]));
}

std::int64_t make_symbolic_link(std::uint64_t target, std::uint64_t base, std::uint64_t path) {
  const auto text = user_path(target);
  if (!text) return -text.error();
  const std::string kept(*text);  // checked once, and not read again
  const auto location = user_location(base, path);
  if (!location) return -location.error();
  return answer(files().make_symbolic_link(kept, *location));
}
std::int64_t sys_symlink(const SyscallArguments& arguments) {
  return make_symbolic_link(arguments.a[0], kHere, arguments.a[1]);
}
std::int64_t sys_symlinkat(const SyscallArguments& arguments) {
  return make_symbolic_link(arguments.a[0], arguments.a[1], arguments.a[2]);
}

// No file system here makes nodes: EPERM is what Linux answers then.
std::int64_t sys_refuse_node(const SyscallArguments& /*arguments*/) { return -EPERM; }

std::int64_t sys_getcwd(const SyscallArguments& arguments) {
  const std::string directory = files().working_directory();
  const std::size_t size = directory.size() + 1;
  if (arguments.a[1] < size) return arguments.a[1] == 0 ? -EINVAL : -ERANGE;
  const UserBytes into = user_bytes(arguments.a[0], size, true);
  if (!into.ok) return -EFAULT;
  std::memcpy(into.bytes.data(), directory.c_str(), size);
  return static_cast<std::int64_t>(size);
}

std::int64_t sys_chdir(const SyscallArguments& arguments) {
  const auto location = user_location(kHere, arguments.a[0]);
  if (!location) return -location.error();
  return answer(files().change_directory(*location));
}

std::int64_t sys_fchdir(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const auto status = (*description)->file().status();
  if (!status) return -status.error();
  if (!S_ISDIR(status->mode)) return -ENOTDIR;
  const auto location = files().mounts.locate("/", (*description)->path());
  if (!location) return -location.error();
  return answer(files().change_directory(*location));
}

std::int64_t sys_umask(const SyscallArguments& arguments) {
  return files().umask.exchange(static_cast<std::uint32_t>(arguments.a[0]) & 0777);
}

// --- attributes: of files and folders of mounts and /tmp. Of what stores none (streams, pipes, devices) a mode that
// --- would change nothing is accepted, another is EPERM, and times are accepted and forgotten.

std::int64_t change_mode(const Expected<fs::FileStatus>& now, std::uint32_t mode, const Expected<void>& changed) {
  if (changed || changed.error() != EOPNOTSUPP) return answer(changed);
  if (now && (now->mode & 07777) == mode) return 0;
  return -EPERM;
}
std::int64_t change_mode_at(std::uint64_t base, std::uint64_t path, std::uint64_t mode) {
  const auto location = user_location(base, path);
  if (!location) return -location.error();
  fs::AttributeChange change;
  change.set_mode = true;
  change.mode = static_cast<std::uint32_t>(mode) & 07777;
  return change_mode(files().status(*location, true), change.mode, files().change(*location, change, true));
}
std::int64_t sys_chmod(const SyscallArguments& arguments) {
  return change_mode_at(kHere, arguments.a[0], arguments.a[1]);
}
std::int64_t sys_fchmodat(const SyscallArguments& arguments) {
  return change_mode_at(arguments.a[0], arguments.a[1], arguments.a[2]);
}
std::int64_t sys_fchmod(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  fs::AttributeChange change;
  change.set_mode = true;
  change.mode = static_cast<std::uint32_t>(arguments.a[1]) & 07777;
  return change_mode((*description)->file().status(), change.mode, (*description)->file().change(change));
}

// Everything belongs to the one user; giving it to itself is harmless, to others refused.
std::int64_t change_owner(std::uint64_t owner, std::uint64_t group) {
  constexpr std::uint32_t kUnchanged = ~std::uint32_t{0};
  const auto user = static_cast<std::uint32_t>(owner);
  const auto members = static_cast<std::uint32_t>(group);
  const bool harmless =
      (user == kUnchanged || user == fs::kFileOwner) && (members == kUnchanged || members == fs::kFileGroup);
  return harmless ? 0 : -EPERM;
}
std::int64_t change_owner_at(std::uint64_t base, std::uint64_t path, bool follow, std::uint64_t owner,
                             std::uint64_t group) {
  const auto location = user_location(base, path);
  if (!location) return -location.error();
  if (const auto status = files().status(*location, follow); !status) return -status.error();
  return change_owner(owner, group);
}
std::int64_t sys_chown(const SyscallArguments& arguments) {
  return change_owner_at(kHere, arguments.a[0], true, arguments.a[1], arguments.a[2]);
}
std::int64_t sys_lchown(const SyscallArguments& arguments) {
  return change_owner_at(kHere, arguments.a[0], false, arguments.a[1], arguments.a[2]);
}
std::int64_t sys_fchown(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  return change_owner(arguments.a[1], arguments.a[2]);
}
std::int64_t sys_fchownat(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[4]);
  const auto text = user_path(arguments.a[1]);
  if (text && text->empty() && (flags & AT_EMPTY_PATH) != 0) {
    const SyscallArguments on_descriptor{{arguments.a[0], arguments.a[2], arguments.a[3], 0, 0, 0}};
    return sys_fchown(on_descriptor);
  }
  return change_owner_at(arguments.a[0], arguments.a[1], (flags & AT_SYMLINK_NOFOLLOW) == 0, arguments.a[2],
                         arguments.a[3]);
}

Expected<fs::AttributeChange> times_from_user(std::uint64_t address) {
  fs::AttributeChange change;
  const fs::Timestamp now = fs::realtime_now();
  timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
  for (std::uint64_t i = 0; address != 0 && i < 2; ++i) {
    const auto given = get_user<timespec>(address + i * sizeof(timespec));
    if (!given) return error(given.error());
    times[i] = *given;
  }
  const auto take = [&](const timespec& time, bool& set, std::int64_t& seconds, std::uint32_t& nanoseconds) {
    if (time.tv_nsec == UTIME_OMIT) return true;
    set = true;
    const bool is_now = time.tv_nsec == UTIME_NOW;
    if (!is_now && (time.tv_nsec < 0 || time.tv_nsec >= 1'000'000'000)) return false;
    seconds = is_now ? now.seconds : time.tv_sec;
    nanoseconds = is_now ? now.nanoseconds : static_cast<std::uint32_t>(time.tv_nsec);
    return true;
  };
  if (!take(times[0], change.set_atime, change.atime_s, change.atime_ns)) return error(EINVAL);
  if (!take(times[1], change.set_mtime, change.mtime_s, change.mtime_ns)) return error(EINVAL);
  return change;
}

std::int64_t accept_times(const Expected<void>& changed) {
  return changed || changed.error() == EOPNOTSUPP ? 0 : -changed.error();
}

std::int64_t sys_utimensat(const SyscallArguments& arguments) {
  const auto change = times_from_user(arguments.a[2]);
  if (!change) return -change.error();
  const bool on_descriptor = arguments.a[1] == 0 || ((as_int(arguments.a[3]) & AT_EMPTY_PATH) != 0 &&
                                                     user_path(arguments.a[1]).value_or("-").empty());
  if (on_descriptor) {
    const auto description = descriptor(arguments.a[0]);
    if (!description) return -description.error();
    return accept_times((*description)->file().change(*change));
  }
  const auto location = user_location(arguments.a[0], arguments.a[1]);
  if (!location) return -location.error();
  const bool follow_last = (as_int(arguments.a[3]) & AT_SYMLINK_NOFOLLOW) == 0;
  return accept_times(files().change(*location, *change, follow_last));
}

// Extended attributes are stored nowhere: what Linux answers on such file systems.
std::int64_t sys_no_attributes(const SyscallArguments& /*arguments*/) { return -EOPNOTSUPP; }

struct EntryWriter {
  std::span<std::byte> room;
  std::size_t used = 0;
  bool too_small = false;
};

// One linux_dirent64: d_ino, d_off, d_reclen, d_type, d_name.
bool put_entry(void* context, const fs::DirectoryEntry& entry, std::uint64_t next) {
  auto& writer = *static_cast<EntryWriter*>(context);
  constexpr std::size_t kNameOffset = offsetof(dirent64, d_name);
  const std::size_t size = (kNameOffset + entry.name.size() + 1 + 7) / 8 * 8;
  if (size > writer.room.size() - writer.used) {
    writer.too_small = writer.used == 0;
    return false;
  }
  std::byte* out = writer.room.data() + writer.used;
  const auto length = static_cast<std::uint16_t>(size);
  std::memset(out, 0, size);
  std::memcpy(out + offsetof(dirent64, d_ino), &entry.inode, sizeof(entry.inode));
  std::memcpy(out + offsetof(dirent64, d_off), &next, sizeof(next));
  std::memcpy(out + offsetof(dirent64, d_reclen), &length, sizeof(length));
  std::memcpy(out + offsetof(dirent64, d_type), &entry.type, sizeof(entry.type));
  std::memcpy(out + kNameOffset, entry.name.data(), entry.name.size());
  writer.used += size;
  return true;
}

std::int64_t sys_getdents64(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const UserBytes room = user_bytes(arguments.a[1], static_cast<std::uint32_t>(arguments.a[2]), true);
  if (!room.ok) return -EFAULT;
  EntryWriter writer{room.bytes};
  const auto mounted = files().mounts.mounted_in((*description)->path());
  if (auto read = (*description)->read_entries(mounted, put_entry, &writer); !read) return -read.error();
  return writer.too_small ? -EINVAL : static_cast<std::int64_t>(writer.used);
}

constexpr const char* kHostErrno = "plain: 0 or an errno";
constexpr const char* kHostNames = "plain: names (bounded, no '/', \".\" or \"..\"), inodes, types";
constexpr const char* kHostTarget = "plain: the link's target, bounded";
constexpr const char* kHostStatus = "plain: the status, its fields in range";

constexpr SyscallEntry kPaths[] = {
    {SYS_mkdir, "mkdir", "path, mode", sys_mkdir, kHostErrno},
    {SYS_mkdirat, "mkdirat", "dirfd, path, mode", sys_mkdirat, kHostErrno},
    {SYS_rmdir, "rmdir", "path", sys_rmdir, kHostErrno},
    {SYS_unlink, "unlink", "path", sys_unlink, kHostErrno},
    {SYS_unlinkat, "unlinkat", "dirfd, path, flags", sys_unlinkat, kHostErrno},
    {SYS_rename, "rename", "old, new", sys_rename, kHostErrno},
    {SYS_renameat, "renameat", "olddirfd, old, newdirfd, new", sys_renameat, kHostErrno},
    {SYS_renameat2, "renameat2", "olddirfd, old, newdirfd, new, flags", sys_renameat2, kHostErrno},
    {SYS_readlink, "readlink", "path, buf, size", sys_readlink, kHostTarget},
    {SYS_readlinkat, "readlinkat", "dirfd, path, buf, size", sys_readlinkat, kHostTarget},
    {SYS_link, "link", "old, new", sys_link, kHostErrno},
    {SYS_linkat, "linkat", "olddirfd, old, newdirfd, new, flags", sys_linkat, kHostErrno},
    {SYS_symlink, "symlink", "target, path", sys_symlink, kHostErrno},
    {SYS_symlinkat, "symlinkat", "target, newdirfd, path", sys_symlinkat, kHostErrno},
    {SYS_mknod, "mknod", "path, mode, dev", sys_refuse_node, ""},
    {SYS_mknodat, "mknodat", "dirfd, path, mode, dev", sys_refuse_node, ""},
    {SYS_getcwd, "getcwd", "buf, size", sys_getcwd, ""},
    {SYS_chdir, "chdir", "path", sys_chdir, kHostStatus},
    {SYS_fchdir, "fchdir", "fd", sys_fchdir, kHostStatus},
    {SYS_umask, "umask", "mask", sys_umask, ""},
    {SYS_chmod, "chmod", "path, mode", sys_chmod, kHostStatus},
    {SYS_fchmod, "fchmod", "fd, mode", sys_fchmod, kHostStatus},
    {SYS_fchmodat, "fchmodat", "dirfd, path, mode", sys_fchmodat, kHostStatus},
    {SYS_chown, "chown", "path, owner, group", sys_chown, kHostErrno},
    {SYS_lchown, "lchown", "path, owner, group", sys_lchown, kHostErrno},
    {SYS_fchown, "fchown", "fd, owner, group", sys_fchown, ""},
    {SYS_fchownat, "fchownat", "dirfd, path, owner, group, flags", sys_fchownat, kHostErrno},
    {SYS_utimensat, "utimensat", "dirfd, path, times, flags", sys_utimensat, kHostErrno},
    {SYS_getdents64, "getdents64", "fd, buf, size", sys_getdents64, kHostNames},
    {SYS_getxattr, "getxattr", "path, name, value, size", sys_no_attributes, ""},
    {SYS_lgetxattr, "lgetxattr", "path, name, value, size", sys_no_attributes, ""},
    {SYS_fgetxattr, "fgetxattr", "fd, name, value, size", sys_no_attributes, ""},
    {SYS_listxattr, "listxattr", "path, list, size", sys_no_attributes, ""},
    {SYS_llistxattr, "llistxattr", "path, list, size", sys_no_attributes, ""},
    {SYS_flistxattr, "flistxattr", "fd, list, size", sys_no_attributes, ""},
    {SYS_setxattr, "setxattr", "path, name, value, size, flags", sys_no_attributes, ""},
    {SYS_lsetxattr, "lsetxattr", "path, name, value, size, flags", sys_no_attributes, ""},
    {SYS_fsetxattr, "fsetxattr", "fd, name, value, size, flags", sys_no_attributes, ""},
    {SYS_removexattr, "removexattr", "path, name", sys_no_attributes, ""},
    {SYS_lremovexattr, "lremovexattr", "path, name", sys_no_attributes, ""},
    {SYS_fremovexattr, "fremovexattr", "fd, name", sys_no_attributes, ""},
};

}  // namespace

std::span<const SyscallEntry> path_syscalls() { return kPaths; }

}  // namespace coffer::kernel::file_calls
