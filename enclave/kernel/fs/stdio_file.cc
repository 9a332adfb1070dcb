#include "enclave/kernel/fs/stdio_file.h"

#include <errno.h>

#include <cstring>

#include "enclave/kernel/fs/host_directory_calls.h"
#include "enclave/kernel/fs/host_wait.h"
#include "enclave/kernel/fs/output_digest.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

using boundary::kCurrentPosition;

namespace {
constexpr std::size_t kCopySize = 2048;  // the kernel's stack is small
}

Expected<std::size_t> StreamFile::read_at(std::uint64_t /*offset*/, std::span<std::byte> into) {
  if (read_handle_ < 0) return error(EBADF);
  return host_read(read_handle_, kCurrentPosition, into);
}

Expected<std::size_t> StreamFile::read_stream(std::span<std::byte> into, bool nonblocking) {
  if (read_handle_ < 0) return error(EBADF);
  for (;;) {
    const auto ready = wait_for_handle(read_handle_, kReadyToRead, nonblocking ? 0 : boundary::kNoTimeout);
    if (ready && *ready != 0) return read_at(0, into);
    if (!ready && ready.error() != EINTR) return error(ready.error());
    if (nonblocking) return error(EAGAIN);
    if (wait_interrupted()) return error(EINTR);
  }
}

// One request, and what of standard output is to be reported on noted with it. The host's word is taken for how much it
// was: that much the program thinks written too.
Expected<std::size_t> StreamFile::write_once(std::span<const std::byte> from) const {
  if (write_handle_ != boundary::kHostStdout || !has_output_digest()) {
    return host_write(write_handle_, kCurrentPosition, from);
  }
  // The digest is over the enclave's own copy: the program's other threads may change theirs meanwhile.
  std::byte copy[kCopySize];
  const std::size_t size = from.size() < sizeof(copy) ? from.size() : sizeof(copy);
  std::memcpy(copy, from.data(), size);
  OutputTurn turn;
  const auto count = host_write(write_handle_, kCurrentPosition, {copy, size});
  if (count) turn.wrote({copy, *count});
  return count;
}

Expected<std::size_t> StreamFile::write_at(std::uint64_t /*offset*/, std::span<const std::byte> from) {
  if (write_handle_ < 0) return error(EBADF);
  std::size_t done = 0;
  while (done < from.size()) {
    const auto count = write_once(from.subspan(done));
    if (!count) {
      if (done > 0) break;
      return error(count.error());
    }
    if (*count == 0) return error(EIO);
    done += *count;
  }
  return done;
}

Expected<void> StreamFile::truncate(std::uint64_t /*size*/) { return error(EINVAL); }

Expected<void> StreamFile::sync(bool /*data_only*/) { return error(EINVAL); }

Expected<FileStatus> StreamFile::status() { return host_status(any_handle()); }

Expected<TerminalSize> StreamFile::terminal_size() {
  if (!terminal_) return error(ENOTTY);
  const Answer answer = call_host(boundary::Request::kTerminalSize, static_cast<std::uint64_t>(any_handle()));
  if (answer.result != 0) return error(ENOTTY);
  return TerminalSize{static_cast<std::uint16_t>(answer.extra[0] >> 32), static_cast<std::uint16_t>(answer.extra[0])};
}

}  // namespace coffer::kernel::fs
