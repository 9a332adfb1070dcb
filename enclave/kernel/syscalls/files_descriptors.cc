// System calls about descriptors: open, close, dup, positions, pipes, syncing.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <limits>

#include "enclave/kernel/fs/pipe.h"
#include "enclave/kernel/fs/shared_mappings.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

using fs::Description;
using fs::Ref;

constexpr std::uint64_t kLastOffset = std::numeric_limits<std::int64_t>::max();

std::int64_t open_at(std::uint64_t base, std::uint64_t path, int flags, std::uint64_t mode) {
  auto location = user_location(base, path);
  if (!location) return -location.error();
  auto description = files().open(*std::move(location), flags, static_cast<std::uint32_t>(mode) & 07777);
  if (!description) return -description.error();
  return answer(files().descriptors.add(*std::move(description), (flags & O_CLOEXEC) != 0));
}

std::int64_t sys_open(const SyscallArguments& arguments) {
  return open_at(static_cast<std::uint64_t>(AT_FDCWD), arguments.a[0], as_int(arguments.a[1]), arguments.a[2]);
}

std::int64_t sys_openat(const SyscallArguments& arguments) {
  return open_at(arguments.a[0], arguments.a[1], as_int(arguments.a[2]), arguments.a[3]);
}

std::int64_t sys_creat(const SyscallArguments& arguments) {
  return open_at(static_cast<std::uint64_t>(AT_FDCWD), arguments.a[0], O_CREAT | O_WRONLY | O_TRUNC, arguments.a[1]);
}

std::int64_t sys_close(const SyscallArguments& arguments) {
  return answer(files().descriptors.close(as_int(arguments.a[0])));
}

std::int64_t sys_close_range(const SyscallArguments& arguments) {
  constexpr std::uint64_t kOnlyMark = 4;  // CLOSE_RANGE_CLOEXEC
  constexpr std::uint64_t kUnshare = 2;   // means nothing for a single process
  const auto first = static_cast<std::uint32_t>(arguments.a[0]);
  const auto last = static_cast<std::uint32_t>(arguments.a[1]);
  if (first > last || (arguments.a[2] & ~(kOnlyMark | kUnshare)) != 0) return -EINVAL;
  files().descriptors.close_range(first, last, (arguments.a[2] & kOnlyMark) != 0);
  return 0;
}

std::int64_t sys_dup(const SyscallArguments& arguments) {
  auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  return answer(files().descriptors.add(*std::move(description), false));
}

std::int64_t sys_dup2(const SyscallArguments& arguments) {
  const int from = as_int(arguments.a[0]);
  const int to = as_int(arguments.a[1]);
  if (from == to) {
    const auto description = files().descriptors.get(from);
    return description ? from : -description.error();
  }
  return answer(files().descriptors.duplicate_to(from, to, false));
}

std::int64_t sys_dup3(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[2]);
  if ((flags & ~O_CLOEXEC) != 0 || as_int(arguments.a[0]) == as_int(arguments.a[1])) return -EINVAL;
  return answer(
      files().descriptors.duplicate_to(as_int(arguments.a[0]), as_int(arguments.a[1]), (flags & O_CLOEXEC) != 0));
}

std::int64_t sys_lseek(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  return answer((*description)->seek(static_cast<std::int64_t>(arguments.a[1]), as_int(arguments.a[2])));
}

std::int64_t sys_ftruncate(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  if (!(*description)->writable() || arguments.a[1] > kLastOffset) return -EINVAL;
  return answer(fs::truncate_file(**description, arguments.a[1]));
}

std::int64_t sys_truncate(const SyscallArguments& arguments) {
  if (arguments.a[1] > kLastOffset) return -EINVAL;
  auto location = user_location(static_cast<std::uint64_t>(AT_FDCWD), arguments.a[0]);
  if (!location) return -location.error();
  const auto description = files().open(*std::move(location), O_WRONLY, 0);
  if (!description) return -description.error();
  return answer(fs::truncate_file(**description, arguments.a[1]));
}

// Only what can be done by making the file longer; nothing is reserved, so a later write may still find the disk full.
std::int64_t sys_fallocate(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const std::uint64_t offset = arguments.a[2];
  const std::uint64_t length = arguments.a[3];
  if (!(*description)->writable()) return -EBADF;
  if (as_int(arguments.a[1]) != 0) return -EOPNOTSUPP;
  if (!(*description)->file().seekable()) return -ESPIPE;
  if (offset > kLastOffset || length == 0 || length > kLastOffset) return -EINVAL;
  if (length > kLastOffset - offset) return -EFBIG;
  const auto status = (*description)->file().status();
  if (!status) return -status.error();
  if (status->size >= offset + length) return 0;
  return answer(fs::truncate_file(**description, offset + length));
}

std::int64_t sync_file(std::uint64_t number, bool data_only) {
  const auto description = descriptor(number);
  if (!description) return -description.error();
  const auto written = fs::write_back(**description);
  const auto synced = (*description)->file().sync(data_only);
  return answer(written ? synced : written);
}
std::int64_t sys_fsync(const SyscallArguments& arguments) { return sync_file(arguments.a[0], false); }
std::int64_t sys_fdatasync(const SyscallArguments& arguments) { return sync_file(arguments.a[0], true); }

std::int64_t sys_sync(const SyscallArguments& /*arguments*/) {
  fs::sync_all_files();  // sync() has no way to tell of a failure
  return 0;
}

std::int64_t sys_syncfs(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  fs::FileSystem* file_system = (*description)->file_system();
  return file_system != nullptr ? answer(file_system->sync()) : 0;
}

// Advice about caches: there is none in the enclave to steer.
std::int64_t sys_fadvise64(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  return (*description)->file().seekable() ? 0 : -ESPIPE;
}

std::int64_t make_pipe_descriptors(std::uint64_t address, int flags) {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0) return -EINVAL;  // O_DIRECT (packets) is not offered
  const UserBytes room = user_bytes(address, 2 * sizeof(int), true);
  if (!room.ok) return -EFAULT;
  auto [reader, writer] = fs::make_pipe();
  const bool close_on_exec = (flags & O_CLOEXEC) != 0;
  const int status_flags = flags & O_NONBLOCK;
  int numbers[2];
  auto& table = files().descriptors;
  const auto first =
      table.add(Ref<Description>(new Description(std::move(reader), O_RDONLY | status_flags, "pipe:", nullptr, 0)),
                close_on_exec);
  if (!first) return -first.error();
  const auto second =
      table.add(Ref<Description>(new Description(std::move(writer), O_WRONLY | status_flags, "pipe:", nullptr, 0)),
                close_on_exec);
  if (!second) {
    fs::ignore_failure(table.close(*first));
    return -second.error();
  }
  numbers[0] = *first;
  numbers[1] = *second;
  std::memcpy(room.bytes.data(), numbers, sizeof(numbers));
  return 0;
}
std::int64_t sys_pipe(const SyscallArguments& arguments) { return make_pipe_descriptors(arguments.a[0], 0); }
std::int64_t sys_pipe2(const SyscallArguments& arguments) {
  return make_pipe_descriptors(arguments.a[0], as_int(arguments.a[1]));
}

std::int64_t make_event_descriptor(std::uint64_t initial, int flags) {
  if ((flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE)) != 0) return -EINVAL;
  auto counter = fs::make_event_counter(static_cast<std::uint32_t>(initial), (flags & EFD_SEMAPHORE) != 0);
  Ref<Description> description(
      new Description(std::move(counter), O_RDWR | (flags & EFD_NONBLOCK), "anon_inode:[eventfd]", nullptr, 0));
  return answer(files().descriptors.add(std::move(description), (flags & EFD_CLOEXEC) != 0));
}
std::int64_t sys_eventfd(const SyscallArguments& arguments) { return make_event_descriptor(arguments.a[0], 0); }
std::int64_t sys_eventfd2(const SyscallArguments& arguments) {
  return make_event_descriptor(arguments.a[0], as_int(arguments.a[1]));
}

constexpr const char* kHostHandle = "plain: a handle, used only to name the file to the host";
constexpr const char* kHostErrno = "plain: 0 or an errno";
constexpr const char* kHostSize = "plain: the file's size";

constexpr SyscallEntry kDescriptors[] = {
    {SYS_open, "open", "path, flags, mode", sys_open, kHostHandle},
    {SYS_openat, "openat", "dirfd, path, flags, mode", sys_openat, kHostHandle},
    {SYS_creat, "creat", "path, mode", sys_creat, kHostHandle},
    {SYS_close, "close", "fd", sys_close, ""},
    {SYS_close_range, "close_range", "first, last, flags", sys_close_range, ""},
    {SYS_dup, "dup", "fd", sys_dup, ""},
    {SYS_dup2, "dup2", "oldfd, newfd", sys_dup2, ""},
    {SYS_dup3, "dup3", "oldfd, newfd, flags", sys_dup3, ""},
    {SYS_lseek, "lseek", "fd, offset, whence", sys_lseek, kHostSize},
    {SYS_ftruncate, "ftruncate", "fd, length", sys_ftruncate, kHostErrno},
    {SYS_truncate, "truncate", "path, length", sys_truncate, kHostErrno},
    {SYS_fallocate, "fallocate", "fd, mode, offset, len", sys_fallocate, kHostSize},
    {SYS_fsync, "fsync", "fd", sys_fsync, kHostErrno},
    {SYS_fdatasync, "fdatasync", "fd", sys_fdatasync, kHostErrno},
    {SYS_sync, "sync", "", sys_sync, ""},
    {SYS_syncfs, "syncfs", "fd", sys_syncfs, kHostErrno},
    {SYS_fadvise64, "fadvise64", "fd, offset, len, advice", sys_fadvise64, ""},
    {SYS_pipe, "pipe", "fds", sys_pipe, ""},
    {SYS_pipe2, "pipe2", "fds, flags", sys_pipe2, ""},
    {SYS_eventfd, "eventfd", "initial", sys_eventfd, ""},
    {SYS_eventfd2, "eventfd2", "initial, flags", sys_eventfd2, ""},
};

}  // namespace

std::span<const SyscallEntry> descriptor_syscalls() { return kDescriptors; }

}  // namespace coffer::kernel::file_calls
