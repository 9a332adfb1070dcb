// socketpair(2) inside: two pipes, one for each direction.
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "enclave/kernel/core/locks.h"
#include "enclave/kernel/fs/pipe.h"
#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

namespace {

class PairSocket final : public Socket {
 public:
  PairSocket(Ref<File> reader, Ref<File> writer)
      : Socket({AF_UNIX, SOCK_STREAM, 0}), reader_(std::move(reader)), writer_(std::move(writer)) {}

  Expected<void> bind(const SocketAddress& /*address*/) override { return error(EINVAL); }
  Expected<void> listen(int /*backlog*/) override { return error(EINVAL); }
  Expected<Ref<Socket>> accept(bool /*nonblocking*/, SocketAddress* /*peer*/) override { return error(EINVAL); }
  Expected<void> connect(const SocketAddress& /*address*/, bool /*nonblocking*/) override { return error(EISCONN); }

  Expected<std::size_t> send(std::span<const std::byte> from, int /*flags*/, bool nonblocking,
                             const SocketAddress* to) override {
    if (to != nullptr) return error(EISCONN);
    const Ref<File> writer = end(writer_);
    return writer ? writer->write_stream(from, nonblocking) : Expected<std::size_t>(error(EPIPE));
  }

  Expected<Received> receive(std::span<std::byte> into, int flags, bool nonblocking) override {
    if ((flags & MSG_PEEK) != 0) return error(EOPNOTSUPP);
    Received received;
    const Ref<File> reader = end(reader_);
    if (!reader) return received;
    do {
      const auto count = reader->read_stream(into.subspan(received.size), nonblocking);
      if (!count && received.size == 0) return error(count.error());
      if (!count || *count == 0) break;
      received.size += *count;
    } while ((flags & MSG_WAITALL) != 0 && received.size < into.size());
    return received;
  }

  Expected<void> set_option(int level, int name, std::span<const std::byte> /*value*/) override {
    return boundary::find_socket_option(level, name) != nullptr && level == SOL_SOCKET ? Expected<void>{}
                                                                                       : error(ENOPROTOOPT);
  }

  Expected<std::size_t> get_option(int level, int name, std::span<std::byte> value) override {
    int answer = 0;
    if (level != SOL_SOCKET) return error(ENOPROTOOPT);
    switch (name) {
      case SO_TYPE:
        answer = SOCK_STREAM;
        break;
      case SO_DOMAIN:
        answer = AF_UNIX;
        break;
      case SO_SNDBUF:
      case SO_RCVBUF:
        answer = static_cast<int>(kPipeCapacity);
        break;
      case SO_ERROR:
      case SO_PROTOCOL:
      case SO_ACCEPTCONN:
        break;
      default:
        return error(ENOPROTOOPT);
    }
    const std::size_t size = std::min(value.size(), sizeof(answer));
    std::memcpy(value.data(), &answer, size);
    return size;
  }

  Expected<SocketAddress> name(bool /*of_peer*/) override {
    SocketAddress unnamed;
    const std::uint16_t family = AF_UNIX;
    std::memcpy(unnamed.bytes.data(), &family, sizeof(family));
    unnamed.size = sizeof(family);
    return unnamed;
  }

  Expected<void> shutdown(int how) override {
    Ref<File> ended[2];  // end after the lock
    {
      LockGuard guard(lock_);
      if (how != SHUT_WR) std::swap(ended[0], reader_);
      if (how != SHUT_RD) std::swap(ended[1], writer_);
    }
    ended[0] = ended[1] = Ref<File>();
    announce_change();
    return {};
  }

  Expected<std::size_t> waiting_bytes() override {
    const Ref<File> reader = end(reader_);
    if (!reader) return 0;
    const auto status = reader->status();
    return status ? Expected<std::size_t>(status->size) : error(status.error());
  }

  std::uint32_t ready() override {
    const Ref<File> reader = end(reader_);
    const Ref<File> writer = end(writer_);
    const std::uint32_t in = reader ? reader->ready() : kReadyToRead | kReadyHangUp;
    const std::uint32_t out = writer ? writer->ready() : kReadyToWrite | kReadyHangUp;
    std::uint32_t all = (in & kReadyToRead) | (out & kReadyToWrite);
    const bool peer_gone = (in & kReadyHangUp) != 0;
    if (peer_gone) all |= kReadyToRead | POLLRDHUP;  // the end of the stream can be read
    if (peer_gone && (out & (kReadyError | kReadyHangUp)) != 0) all |= kReadyHangUp;
    return all;
  }

 private:
  ~PairSocket() override = default;
  Ref<File> end(const Ref<File>& which) {
    LockGuard guard(lock_);
    return which;
  }

  SpinLock lock_;
  Ref<File> reader_, writer_;
};

}  // namespace

std::pair<Ref<Socket>, Ref<Socket>> make_socket_pair() {
  auto [reader_of_one, writer_of_other] = make_pipe();
  auto [reader_of_other, writer_of_one] = make_pipe();
  return {Ref<Socket>(new PairSocket(std::move(reader_of_one), std::move(writer_of_one))),
          Ref<Socket>(new PairSocket(std::move(reader_of_other), std::move(writer_of_other)))};
}

}  // namespace coffer::kernel::fs
