// System calls that ask about files: the stat family, access, statfs.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

using fs::FileStatus;

constexpr auto kHere = static_cast<std::uint64_t>(AT_FDCWD);
constexpr std::uint32_t kBlock = 4096;

static_assert(sizeof(struct stat) == 144, "the C library's struct stat must be the kernel's");
static_assert(sizeof(struct statx) == 256);
static_assert(sizeof(struct statfs) == 120);

std::int64_t put_stat(std::uint64_t address, const Expected<FileStatus>& status) {
  if (!status) return -status.error();
  struct stat out{};
  out.st_dev = status->device;
  out.st_ino = status->inode;
  out.st_nlink = status->links;
  out.st_mode = status->mode;
  out.st_uid = fs::kFileOwner;
  out.st_gid = fs::kFileGroup;
  out.st_size = static_cast<off_t>(status->size);
  out.st_blksize = kBlock;
  out.st_blocks = static_cast<blkcnt_t>(status->size / 512 + (status->size % 512 != 0 ? 1 : 0));
  out.st_atim = {status->atime_s, status->atime_ns};
  out.st_mtim = {status->mtime_s, status->mtime_ns};
  out.st_ctim = {status->ctime_s, status->ctime_ns};
  return answer(put_user(address, out));
}

std::int64_t put_statx(std::uint64_t address, const Expected<FileStatus>& status) {
  if (!status) return -status.error();
  struct statx out{};
  out.stx_mask = STATX_BASIC_STATS;
  out.stx_blksize = kBlock;
  out.stx_nlink = status->links;
  out.stx_uid = fs::kFileOwner;
  out.stx_gid = fs::kFileGroup;
  out.stx_mode = static_cast<std::uint16_t>(status->mode);
  out.stx_ino = status->inode;
  out.stx_size = status->size;
  out.stx_blocks = status->size / 512 + (status->size % 512 != 0 ? 1 : 0);
  out.stx_atime.tv_sec = status->atime_s;
  out.stx_atime.tv_nsec = status->atime_ns;
  out.stx_mtime.tv_sec = status->mtime_s;
  out.stx_mtime.tv_nsec = status->mtime_ns;
  out.stx_ctime.tv_sec = status->ctime_s;
  out.stx_ctime.tv_nsec = status->ctime_ns;
  out.stx_dev_minor = static_cast<std::uint32_t>(status->device);  // st_dev's minor number of such small devices
  return answer(put_user(address, out));
}

Expected<FileStatus> status_of_descriptor(std::uint64_t number) {
  const auto description = descriptor(number);
  if (!description) return error(description.error());
  return fs::Files::status(**description);
}

// The *at calls: a path from `base`, or with AT_EMPTY_PATH and "" the descriptor (or working directory) itself.
Expected<FileStatus> status_at(std::uint64_t base, std::uint64_t path, int flags) {
  std::string_view text;
  if (path != 0 || (flags & AT_EMPTY_PATH) == 0) {
    const auto given = user_path(path);
    if (!given) return error(given.error());
    text = *given;
  }
  if (text.empty()) {
    if ((flags & AT_EMPTY_PATH) == 0) return error(ENOENT);
    if (as_int(base) != AT_FDCWD) return status_of_descriptor(base);
    text = ".";
  }
  auto location = files().locate(as_int(base), text);
  if (!location) return error(location.error());
  return files().status(*std::move(location), (flags & AT_SYMLINK_NOFOLLOW) == 0);
}

std::int64_t sys_stat(const SyscallArguments& arguments) {
  return put_stat(arguments.a[1], status_at(kHere, arguments.a[0], 0));
}
std::int64_t sys_lstat(const SyscallArguments& arguments) {
  return put_stat(arguments.a[1], status_at(kHere, arguments.a[0], AT_SYMLINK_NOFOLLOW));
}
std::int64_t sys_fstat(const SyscallArguments& arguments) {
  return put_stat(arguments.a[1], status_of_descriptor(arguments.a[0]));
}
std::int64_t sys_newfstatat(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[3]);
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT)) != 0) return -EINVAL;
  return put_stat(arguments.a[2], status_at(arguments.a[0], arguments.a[1], flags));
}
std::int64_t sys_statx(const SyscallArguments& arguments) {
  constexpr int kSynchronisation = 0x6000;  // AT_STATX_SYNC_TYPE
  const int flags = as_int(arguments.a[2]);
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | kSynchronisation)) != 0) return -EINVAL;
  return put_statx(arguments.a[4], status_at(arguments.a[0], arguments.a[1], flags));
}

// The one user owns everything: the owner's bits decide, and whether the mount can be written at all.
std::int64_t check_access(std::uint64_t base, std::uint64_t path, int wanted, int flags) {
  if ((wanted & ~(R_OK | W_OK | X_OK)) != 0) return -EINVAL;
  const auto status = status_at(base, path, flags);
  if (!status) return -status.error();
  const auto text = user_path(path);
  if ((wanted & W_OK) != 0 && text && !text->empty() && !S_ISCHR(status->mode)) {
    const auto location = files().locate(as_int(base), *text);
    if (location && location->mount->read_only) return -EROFS;
  }
  const std::uint32_t any = (status->mode | status->mode >> 3 | status->mode >> 6) & 7;
  return (static_cast<std::uint32_t>(wanted) & ~any) == 0 ? 0 : -EACCES;
}
std::int64_t sys_access(const SyscallArguments& arguments) {
  return check_access(kHere, arguments.a[0], as_int(arguments.a[1]), 0);
}
std::int64_t sys_faccessat(const SyscallArguments& arguments) {
  return check_access(arguments.a[0], arguments.a[1], as_int(arguments.a[2]), 0);
}
std::int64_t sys_faccessat2(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[3]);
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) return -EINVAL;
  return check_access(arguments.a[0], arguments.a[1], as_int(arguments.a[2]), flags & ~AT_EACCESS);
}

// Free space is nothing that the host could be believed about; a plausible amount keeps installers and databases going.
std::int64_t put_statfs(std::uint64_t address, std::uint64_t magic, bool read_only) {
  constexpr fsblkcnt_t kBlocks = 1 << 22;  // 16 GiB
  struct statfs out{};
  out.f_type = static_cast<decltype(out.f_type)>(magic);
  out.f_bsize = kBlock;
  out.f_frsize = kBlock;
  out.f_blocks = kBlocks;
  out.f_bfree = read_only ? 0 : kBlocks / 2;
  out.f_bavail = out.f_bfree;
  out.f_files = kBlocks;
  out.f_ffree = out.f_bfree;
  out.f_namelen = 255;
  constexpr int kReadOnly = 1;  // ST_RDONLY
  constexpr int kValid = 0x20;  // ST_VALID
  out.f_flags = kValid | (read_only ? kReadOnly : 0);
  return answer(put_user(address, out));
}
std::int64_t sys_statfs(const SyscallArguments& arguments) {
  const auto location = user_location(kHere, arguments.a[0]);
  if (!location) return -location.error();
  if (const auto status = files().status(*location, true); !status) return -status.error();
  return put_statfs(arguments.a[1], location->mount->file_system->magic(), location->mount->read_only);
}
std::int64_t sys_fstatfs(const SyscallArguments& arguments) {
  constexpr std::uint64_t kPipeMagic = 0x50495045;
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const fs::FileSystem* file_system = (*description)->file_system();
  bool read_only = false;
  for (const fs::MountPoint& mount : files().mounts.all()) {
    if (mount.file_system == file_system) read_only = mount.read_only;
  }
  return put_statfs(arguments.a[1], file_system != nullptr ? file_system->magic() : kPipeMagic, read_only);
}

constexpr const char* kHostStatus = "plain and standard streams: the status, its fields in range";

constexpr SyscallEntry kStatus[] = {
    {SYS_stat, "stat", "path, statbuf", sys_stat, kHostStatus},
    {SYS_lstat, "lstat", "path, statbuf", sys_lstat, kHostStatus},
    {SYS_fstat, "fstat", "fd, statbuf", sys_fstat, kHostStatus},
    {SYS_newfstatat, "newfstatat", "dirfd, path, statbuf, flags", sys_newfstatat, kHostStatus},
    {SYS_statx, "statx", "dirfd, path, flags, mask, statxbuf", sys_statx, kHostStatus},
    {SYS_access, "access", "path, mode", sys_access, kHostStatus},
    {SYS_faccessat, "faccessat", "dirfd, path, mode", sys_faccessat, kHostStatus},
    {SYS_faccessat2, "faccessat2", "dirfd, path, mode, flags", sys_faccessat2, kHostStatus},
    {SYS_statfs, "statfs", "path, buf", sys_statfs, kHostStatus},
    {SYS_fstatfs, "fstatfs", "fd, buf", sys_fstatfs, ""},
};

}  // namespace

std::span<const SyscallEntry> status_syscalls() { return kStatus; }

}  // namespace coffer::kernel::file_calls
