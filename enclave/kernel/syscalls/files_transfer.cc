// System calls that move bytes: read, write and their relatives.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

using fs::Description;

constexpr std::uint64_t kMostPieces = 1024;       // UIO_MAXIOV
constexpr std::size_t kGatherLimit = 128 * 1024;  // pieces up to this much in all leave in one write
constexpr std::size_t kCopyBuffer = 64 * 1024;
constexpr std::size_t kLargestDatagram = 64 * 1024;

std::int64_t sys_read(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const UserBytes into = user_bytes(arguments.a[1], std::min(arguments.a[2], kMostBytes), true);
  if (!into.ok) return -EFAULT;
  return answer((*description)->read(into.bytes));
}

std::int64_t sys_write(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const UserBytes from = user_bytes(arguments.a[1], std::min(arguments.a[2], kMostBytes), false);
  if (!from.ok) return -EFAULT;
  return answer((*description)->write(from.bytes));
}

std::int64_t sys_pread(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const UserBytes into = user_bytes(arguments.a[1], std::min(arguments.a[2], kMostBytes), true);
  if (!into.ok) return -EFAULT;
  return answer((*description)->read_at(arguments.a[3], into.bytes));
}

std::int64_t sys_pwrite(const SyscallArguments& arguments) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const UserBytes from = user_bytes(arguments.a[1], std::min(arguments.a[2], kMostBytes), false);
  if (!from.ok) return -EFAULT;
  return answer((*description)->write_at(arguments.a[3], from.bytes));
}

// Moves piece after piece until one comes short. `move` gets the piece and how much was moved before it.
template <class Move>
std::int64_t move_pieces(const Pieces& pieces, bool stop_early, Move move) {
  std::size_t done = 0;
  for (const std::span<std::byte> piece : pieces) {
    const Expected<std::size_t> count = move(piece, done);
    if (!count) return done > 0 ? static_cast<std::int64_t>(done) : -count.error();
    done += *count;
    if (*count < piece.size() || stop_early) break;
  }
  return static_cast<std::int64_t>(done);
}

// A stream socket fills the later pieces with what is there: a program that gets less than it asked for takes it that
// there is no more (epoll(7)). Only the first waits.
std::int64_t read_socket_pieces(Description& from, const Pieces& pieces) {
  bool first = true;
  return move_pieces(pieces, false, [&](std::span<std::byte> piece, std::size_t /*done*/) {
    return std::exchange(first, false) ? from.read(piece) : from.file().read_stream(piece, true);
  });
}

// A datagram is one message, however many pieces it goes to.
std::int64_t read_datagram_pieces(Description& from, const Pieces& pieces) {
  std::size_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  std::vector<std::byte> whole(std::min(total, kLargestDatagram));
  const auto count = from.read(whole);
  if (!count) return -count.error();
  std::span<const std::byte> left = std::span(whole).first(*count);
  for (const std::span<std::byte> piece : pieces) {
    const std::size_t part = std::min(piece.size(), left.size());
    if (part != 0) std::memcpy(piece.data(), left.data(), part);
    left = left.subspan(part);
  }
  return static_cast<std::int64_t>(*count);
}

// `offset` is nothing for the position.
std::int64_t read_pieces(Description& from, const Pieces& pieces, const std::uint64_t* offset) {
  if (pieces.empty()) return from.readable() ? 0 : -EBADF;
  if (fs::Socket* socket = from.file().as_socket(); socket != nullptr && offset == nullptr && pieces.size() > 1) {
    return socket->is_stream() ? read_socket_pieces(from, pieces) : read_datagram_pieces(from, pieces);
  }
  // A stream must not be waited on for a second piece once the first has something.
  const bool stream = !from.file().seekable();
  return move_pieces(pieces, stream, [&](std::span<std::byte> piece, std::size_t done) {
    return offset != nullptr ? from.read_at(*offset + done, piece) : from.read(piece);
  });
}

std::int64_t write_pieces(Description& to, const Pieces& pieces, const std::uint64_t* offset) {
  if (pieces.empty()) return to.writable() ? 0 : -EBADF;
  const auto write = [&](std::span<const std::byte> piece, std::size_t done) {
    return offset != nullptr ? to.write_at(*offset + done, piece) : to.write(piece);
  };
  std::size_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  if (pieces.size() > 1 && total <= kGatherLimit) {
    // One write instead of several: fewer exits, and nobody else's bytes come between.
    std::vector<std::byte> gathered;
    gathered.reserve(total);
    for (const auto& piece : pieces) gathered.insert(gathered.end(), piece.begin(), piece.end());
    return answer(write(gathered, 0));
  }
  return move_pieces(pieces, false, write);
}

std::int64_t move_vector(const SyscallArguments& arguments, bool write, const std::uint64_t* offset) {
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  const auto pieces = user_pieces(arguments.a[1], arguments.a[2], !write);
  if (!pieces) return -pieces.error();
  return write ? write_pieces(**description, *pieces, offset) : read_pieces(**description, *pieces, offset);
}

std::int64_t sys_readv(const SyscallArguments& arguments) { return move_vector(arguments, false, nullptr); }
std::int64_t sys_writev(const SyscallArguments& arguments) { return move_vector(arguments, true, nullptr); }
std::int64_t sys_preadv(const SyscallArguments& arguments) { return move_vector(arguments, false, &arguments.a[3]); }
std::int64_t sys_pwritev(const SyscallArguments& arguments) { return move_vector(arguments, true, &arguments.a[3]); }

// preadv2 and pwritev2: offset -1 is the position; flags only tune, but for those that promise something.
std::int64_t move_vector2(const SyscallArguments& arguments, bool write) {
  constexpr std::uint64_t kHints = RWF_HIPRI;
  if ((arguments.a[5] & ~kHints) != 0) return -EOPNOTSUPP;
  const bool at_position = arguments.a[3] == ~std::uint64_t{0};
  return move_vector(arguments, write, at_position ? nullptr : &arguments.a[3]);
}
std::int64_t sys_preadv2(const SyscallArguments& arguments) { return move_vector2(arguments, false); }
std::int64_t sys_pwritev2(const SyscallArguments& arguments) { return move_vector2(arguments, true); }

// Copies through a buffer in the enclave. An offset of null is the description's position; others move on.
std::int64_t copy_between(Description& from, std::uint64_t* from_offset, Description& to, std::uint64_t* to_offset,
                          std::uint64_t length) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, kCopyBuffer)));
  std::uint64_t done = 0;
  int failed = 0;
  while (done < length && failed == 0) {
    const std::span<std::byte> piece =
        std::span(buffer).first(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length - done)));
    const auto got = from_offset != nullptr ? from.read_at(*from_offset, piece) : from.read(piece);
    if (!got) failed = got.error();
    if (!got || *got == 0) break;
    const auto filled = piece.first(*got);
    const auto put = to_offset != nullptr ? to.write_at(*to_offset, filled) : to.write(filled);
    const std::size_t written = put ? *put : 0;
    if (!put) failed = put.error();
    if (written < *got && from_offset == nullptr && from.file().seekable()) {
      // What was read but not written is to be read again.
      fs::ignore_failure(from.seek(-static_cast<std::int64_t>(*got - written), SEEK_CUR));
    }
    if (from_offset != nullptr) *from_offset += written;
    if (to_offset != nullptr) *to_offset += written;
    done += written;
    if (written < *got) break;
  }
  return done > 0 || failed == 0 ? static_cast<std::int64_t>(done) : -failed;
}

std::int64_t sys_sendfile(const SyscallArguments& arguments) {
  const auto to = descriptor(arguments.a[0]);
  const auto from = descriptor(arguments.a[1]);
  if (!to || !from || !(*from)->readable() || !(*to)->writable()) return -EBADF;
  if (!(*from)->file().seekable()) return -EINVAL;
  std::uint64_t offset = 0;
  if (arguments.a[2] != 0) {
    const auto given = get_user<std::uint64_t>(arguments.a[2]);
    if (!given) return -given.error();
    offset = *given;
  }
  const std::int64_t moved = copy_between(**from, arguments.a[2] != 0 ? &offset : nullptr, **to, nullptr,
                                          std::min(arguments.a[3], kMostBytes));
  if (moved >= 0 && arguments.a[2] != 0) {
    if (auto put = put_user(arguments.a[2], offset); !put) return -put.error();
  }
  return moved;
}

std::int64_t sys_copy_file_range(const SyscallArguments& arguments) {
  const auto from = descriptor(arguments.a[0]);
  const auto to = descriptor(arguments.a[2]);
  if (!from || !to || !(*from)->readable() || !(*to)->writable()) return -EBADF;
  if (arguments.a[5] != 0 || !(*from)->file().seekable() || !(*to)->file().seekable()) return -EINVAL;
  if (((*to)->flags() & O_APPEND) != 0) return -EBADF;
  std::uint64_t offsets[2] = {};
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t address = arguments.a[1 + 2 * i];
    if (address == 0) continue;
    const auto given = get_user<std::uint64_t>(address);
    if (!given) return -given.error();
    offsets[i] = *given;
  }
  const std::int64_t moved =
      copy_between(**from, arguments.a[1] != 0 ? &offsets[0] : nullptr, **to,
                   arguments.a[3] != 0 ? &offsets[1] : nullptr, std::min(arguments.a[4], kMostBytes));
  if (moved < 0) return moved;
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t address = arguments.a[1 + 2 * i];
    if (address == 0) continue;
    if (auto put = put_user(address, offsets[i]); !put) return -put.error();
  }
  return moved;
}

constexpr const char* kHostCount = "plain and standard streams: count <= asked, data";
constexpr const char* kHostNumber = "plain and standard streams: count <= asked";

constexpr SyscallEntry kTransfers[] = {
    {SYS_read, "read", "fd, buf, count", sys_read, kHostCount},
    {SYS_write, "write", "fd, buf, count", sys_write, kHostNumber},
    {SYS_pread64, "pread64", "fd, buf, count, offset", sys_pread, kHostCount},
    {SYS_pwrite64, "pwrite64", "fd, buf, count, offset", sys_pwrite, kHostNumber},
    {SYS_readv, "readv", "fd, iov, iovcnt", sys_readv, kHostCount},
    {SYS_writev, "writev", "fd, iov, iovcnt", sys_writev, kHostNumber},
    {SYS_preadv, "preadv", "fd, iov, iovcnt, offset", sys_preadv, kHostCount},
    {SYS_pwritev, "pwritev", "fd, iov, iovcnt, offset", sys_pwritev, kHostNumber},
    {SYS_preadv2, "preadv2", "fd, iov, iovcnt, offset, -, flags", sys_preadv2, kHostCount},
    {SYS_pwritev2, "pwritev2", "fd, iov, iovcnt, offset, -, flags", sys_pwritev2, kHostNumber},
    {SYS_sendfile, "sendfile", "out_fd, in_fd, offset, count", sys_sendfile, kHostCount},
    {SYS_copy_file_range, "copy_file_range", "fd_in, off_in, fd_out, off_out, len, flags", sys_copy_file_range,
     kHostCount},
};

}  // namespace

Expected<Pieces> user_pieces(std::uint64_t address, std::uint64_t count, bool write) {
  if (count > kMostPieces) return error(EINVAL);
  const UserBytes array = user_bytes(address, count * sizeof(iovec), false);
  if (!array.ok) return error(EFAULT);
  Pieces pieces;
  pieces.reserve(count);
  std::uint64_t room = kMostBytes;
  for (std::uint64_t i = 0; i < count; ++i) {
    iovec vector;
    std::memcpy(&vector, array.bytes.data() + i * sizeof(iovec), sizeof(vector));
    if (vector.iov_len > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return error(EINVAL);
    const std::uint64_t length = std::min<std::uint64_t>(vector.iov_len, room);
    if (length == 0) continue;
    const UserBytes piece = user_bytes(reinterpret_cast<std::uint64_t>(vector.iov_base), length, write);
    if (!piece.ok) return error(EFAULT);
    pieces.push_back(piece.bytes);
    room -= length;
  }
  return pieces;
}

std::span<const SyscallEntry> transfer_syscalls() { return kTransfers; }

}  // namespace coffer::kernel::file_calls
