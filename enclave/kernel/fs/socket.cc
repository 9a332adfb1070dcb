#include "enclave/kernel/fs/socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

namespace coffer::kernel::fs {

namespace {
constinit std::atomic<std::uint64_t> next_inode{1};
}

Socket::Socket(Kind kind) : kind_(kind), inode_(next_inode.fetch_add(1)) {}

bool Socket::is_stream() const { return kind_.type == SOCK_STREAM; }

Expected<std::size_t> Socket::read_at(std::uint64_t /*offset*/, std::span<std::byte> into) {
  return read_stream(into, false);
}

Expected<std::size_t> Socket::write_at(std::uint64_t /*offset*/, std::span<const std::byte> from) {
  return write_stream(from, false);
}

Expected<std::size_t> Socket::read_stream(std::span<std::byte> into, bool nonblocking) {
  const auto received = receive(into, 0, nonblocking);
  if (!received) return error(received.error());
  return received->size;
}

Expected<std::size_t> Socket::write_stream(std::span<const std::byte> from, bool nonblocking) {
  return send(from, 0, nonblocking, nullptr);
}

Expected<void> Socket::truncate(std::uint64_t /*size*/) { return error(EINVAL); }

Expected<void> Socket::sync(bool /*data_only*/) { return error(EINVAL); }

Expected<FileStatus> Socket::status() {
  FileStatus status;
  status.inode = inode_;
  status.mode = S_IFSOCK | 0777;
  return status;
}

}  // namespace coffer::kernel::fs
