#include "enclave/kernel/fs/vfs.h"

#include <errno.h>
#include <fcntl.h>

#include "enclave/kernel/core/locks.h"

namespace coffer::kernel::fs {

namespace {
// Held over status() and write_at() of a file that has no append() of its own; both may call the host.
constinit SleepLock append_lock;
}  // namespace

Expected<std::vector<DirectoryEntry>> File::entries() { return error(ENOTDIR); }

Expected<std::uint64_t> File::append(std::span<const std::byte> from) {
  LockGuard guard(append_lock);
  auto now = status();
  if (!now) return error(now.error());
  std::uint64_t end = now->size;
  while (!from.empty()) {
    auto written = write_at(end, from);
    if (!written) return error(written.error());
    if (*written == 0 || *written > from.size()) return error(EIO);
    end += *written;
    from = from.subspan(*written);
  }
  return end;
}

Expected<TerminalSize> File::terminal_size() { return error(ENOTTY); }

Expected<std::size_t> File::read_stream(std::span<std::byte> into, bool /*nonblocking*/) { return read_at(0, into); }

Expected<std::size_t> File::write_stream(std::span<const std::byte> from, bool /*nonblocking*/) {
  return write_at(0, from);
}

Expected<void> File::change(const AttributeChange& /*change*/) { return error(EOPNOTSUPP); }

Expected<void> FileSystem::change(std::string_view path, const AttributeChange& change, bool follow) {
  const auto file = open(path, O_RDONLY | (follow ? 0 : O_NOFOLLOW), 0);
  if (!file) return error(file.error());
  return (*file)->change(change);
}

Expected<void> FileSystem::link(std::string_view /*from*/, std::string_view /*to*/) { return error(EPERM); }

Expected<void> FileSystem::make_symbolic_link(std::string_view /*target*/, std::string_view /*path*/) {
  return error(EPERM);
}

Expected<void> HostDirectory::change(Handle /*handle*/, const AttributeChange& /*change*/) { return error(EPERM); }

Expected<void> HostDirectory::change(std::string_view /*path*/, const AttributeChange& /*change*/, bool /*follow*/) {
  return error(EPERM);
}

Expected<void> HostDirectory::link(std::string_view /*from*/, std::string_view /*to*/) { return error(EPERM); }

Expected<void> HostDirectory::make_symbolic_link(std::string_view /*target*/, std::string_view /*path*/) {
  return error(EPERM);
}

}  // namespace coffer::kernel::fs
