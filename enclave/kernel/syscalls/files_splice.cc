// System calls that move bytes through pipes. Here they are copies through a buffer of the kernel: no page of an
// enclave can be in two places.
#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <vector>

#include "enclave/kernel/fs/pipe.h"
#include "enclave/kernel/syscalls/files_support.h"

namespace coffer::kernel::file_calls {

namespace {

using fs::Description;
using fs::PipeAccess;

// One end of a splice: where it stands in the file, unless the file has no places or its own is to move.
struct End {
  Description& description;
  std::uint64_t* offset;
  PipeAccess* pipe;

  [[nodiscard]] Expected<std::size_t> read(std::span<std::byte> into) const {
    return offset != nullptr ? description.read_at(*offset, into) : description.read(into);
  }
  [[nodiscard]] Expected<std::size_t> write(std::span<const std::byte> from, bool nonblocking) const {
    if (offset != nullptr) return description.write_at(*offset, from);
    return pipe != nullptr ? description.file().write_stream(from, nonblocking) : description.write(from);
  }
  void advance(std::size_t count) const {
    if (offset != nullptr) *offset += count;
  }
};

bool waits_not(const Description& description, bool nonblocking) {
  return nonblocking || (description.flags() & O_NONBLOCK) != 0;
}

// From a pipe to anything, as long as there is something in the pipe: only the first bytes are waited for.
std::int64_t splice_out(const End& from, const End& to, std::uint64_t length, bool nonblocking) {
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, fs::kPipeCapacity)));
  std::uint64_t done = 0;
  int failed = 0;
  while (done < length && failed == 0) {
    std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length - done));
    if (to.pipe != nullptr) {
      const auto room = to.pipe->wait_for_room(done > 0 || waits_not(to.description, nonblocking));
      if (!room) failed = room.error();
      if (!room) break;
      most = std::min(most, *room);
    }
    const bool no_wait = done > 0 || waits_not(from.description, nonblocking);
    const auto got = from.description.file().read_stream(std::span(buffer).first(most), no_wait);
    if (!got) failed = got.error();
    if (!got || *got == 0) break;
    const auto put = to.write(std::span(buffer).first(*got), waits_not(to.description, nonblocking));
    const std::size_t written = put ? *put : 0;
    if (!put) failed = put.error();
    if (written < *got) from.pipe->give_back(std::span(buffer).subspan(written, *got - written));
    to.advance(written);
    done += written;
    if (written < *got) break;
  }
  return done > 0 || failed == 0 ? static_cast<std::int64_t>(done) : -failed;
}

// From a file or a socket to a pipe: no more than the pipe has room for, so that nothing that was read is left over.
std::int64_t splice_in(const End& from, const End& to, std::uint64_t length, bool nonblocking) {
  const auto room = to.pipe->wait_for_room(waits_not(to.description, nonblocking));
  if (!room) return -room.error();
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, *room)));
  const auto got = from.read(buffer);
  if (!got) return -got.error();
  from.advance(*got);
  if (*got == 0) return 0;
  // Another writer may have come between; what was read cannot go back, so this waits whatever the flags say.
  return answer(to.write(std::span(buffer).first(*got), false));
}

constexpr std::uint64_t kKnownFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

std::int64_t sys_splice(const SyscallArguments& arguments) {
  if ((arguments.a[5] & ~kKnownFlags) != 0) return -EINVAL;
  const auto in = descriptor(arguments.a[0]);
  const auto out = descriptor(arguments.a[2]);
  if (!in || !out || !(*in)->readable() || !(*out)->writable()) return -EBADF;
  std::uint64_t offsets[2] = {};
  std::uint64_t* at[2] = {};
  PipeAccess* const pipes[2] = {(*in)->file().as_pipe(), (*out)->file().as_pipe()};
  if (pipes[0] == nullptr && pipes[1] == nullptr) return -EINVAL;
  if (pipes[0] != nullptr && pipes[1] != nullptr && pipes[0]->same_pipe(*pipes[1])) return -EINVAL;
  for (int i = 0; i < 2; ++i) {
    const std::uint64_t address = arguments.a[1 + 2 * i];
    if (address == 0) continue;
    if (pipes[i] != nullptr) return -ESPIPE;
    const auto given = get_user<std::uint64_t>(address);
    if (!given) return -given.error();
    offsets[i] = *given;
    at[i] = &offsets[i];
  }
  if (pipes[1] == nullptr && ((*out)->flags() & O_APPEND) != 0) return -EINVAL;
  const std::uint64_t length = std::min(arguments.a[4], kMostBytes);
  if (length == 0) return 0;
  const bool nonblocking = (arguments.a[5] & SPLICE_F_NONBLOCK) != 0;
  const End from{**in, at[0], pipes[0]};
  const End to{**out, at[1], pipes[1]};
  const std::int64_t moved =
      pipes[0] != nullptr ? splice_out(from, to, length, nonblocking) : splice_in(from, to, length, nonblocking);
  for (int i = 0; i < 2 && moved >= 0; ++i) {
    if (at[i] == nullptr) continue;
    if (auto put = put_user(arguments.a[1 + 2 * i], offsets[i]); !put) return -put.error();
  }
  return moved;
}

// One copy of what is in the pipe, which stays there.
std::int64_t sys_tee(const SyscallArguments& arguments) {
  if ((arguments.a[3] & ~kKnownFlags) != 0) return -EINVAL;
  const auto in = descriptor(arguments.a[0]);
  const auto out = descriptor(arguments.a[1]);
  if (!in || !out || !(*in)->readable() || !(*out)->writable()) return -EBADF;
  PipeAccess* const from = (*in)->file().as_pipe();
  PipeAccess* const to = (*out)->file().as_pipe();
  if (from == nullptr || to == nullptr || from->same_pipe(*to)) return -EINVAL;
  const bool nonblocking = (arguments.a[3] & SPLICE_F_NONBLOCK) != 0;
  const std::uint64_t length = std::min<std::uint64_t>(arguments.a[2], fs::kPipeCapacity);
  if (length == 0) return 0;
  const auto room = to->wait_for_room(waits_not(**out, nonblocking));
  if (!room) return -room.error();
  std::vector<std::byte> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(length, *room)));
  const auto got = from->peek(buffer, waits_not(**in, nonblocking));
  if (!got || *got == 0) return answer(got);
  return answer((*out)->file().write_stream(std::span(buffer).first(*got), false));
}

// To a pipe's one end or from its other: writev() and readv(), but that SPLICE_F_NONBLOCK does not wait.
std::int64_t sys_vmsplice(const SyscallArguments& arguments) {
  if ((arguments.a[3] & ~kKnownFlags) != 0) return -EINVAL;
  const auto description = descriptor(arguments.a[0]);
  if (!description) return -description.error();
  PipeAccess* const pipe = (*description)->file().as_pipe();
  if (pipe == nullptr) return -EBADF;
  const auto pieces = user_pieces(arguments.a[1], arguments.a[2], pipe->is_reader());
  if (!pieces) return -pieces.error();
  bool no_wait = waits_not(**description, (arguments.a[3] & SPLICE_F_NONBLOCK) != 0);
  std::size_t done = 0;
  for (const std::span<std::byte> piece : *pieces) {
    fs::File& file = (*description)->file();
    const auto moved = pipe->is_reader() ? file.read_stream(piece, no_wait) : file.write_stream(piece, no_wait);
    if (!moved) return done > 0 ? static_cast<std::int64_t>(done) : -moved.error();
    done += *moved;
    if (*moved < piece.size()) break;
    if (pipe->is_reader()) no_wait = true;  // what is there, and nothing is waited for behind it
  }
  return static_cast<std::int64_t>(done);
}

constexpr const char* kHostCount = "plain files and sockets: count <= asked, data";

constexpr SyscallEntry kSplices[] = {
    {SYS_splice, "splice", "fd_in, off_in, fd_out, off_out, len, flags", sys_splice, kHostCount},
    {SYS_tee, "tee", "fd_in, fd_out, len, flags", sys_tee, ""},
    {SYS_vmsplice, "vmsplice", "fd, iov, count, flags", sys_vmsplice, ""},
};

}  // namespace

std::span<const SyscallEntry> splice_syscalls() { return kSplices; }

}  // namespace coffer::kernel::file_calls
