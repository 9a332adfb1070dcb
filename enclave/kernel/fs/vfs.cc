#include "enclave/kernel/fs/vfs.h"

#include <errno.h>

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

Expected<void> File::change(const AttributeChange& /*change*/) { return error(EPERM); }

}  // namespace coffer::kernel::fs
