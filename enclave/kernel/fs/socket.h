// Sockets as system calls see them: of the host, and pairs inside. Freestanding; all methods are thread-safe.
//
// Whatever goes through a socket of the host is the host's to see, change, drop and invent: programs protect it
// themselves, with TLS.
#pragma once

#include <array>

#include "boundary/network.h"
#include "enclave/kernel/fs/vfs.h"

namespace coffer::kernel::fs {

// A sockaddr of the ABI, as the application or the host gave it.
struct SocketAddress {
  std::array<std::byte, boundary::kSocketAddressRoom> bytes{};
  std::uint32_t size = 0;
  [[nodiscard]] std::span<const std::byte> view() const { return std::span(bytes).first(size); }
};

struct Received {
  std::size_t size = 0;     // of the data; with MSG_TRUNC among the flags asked for, of the whole datagram
  std::uint32_t flags = 0;  // MSG_TRUNC of the message
  SocketAddress from;
};

class Socket : public File {
 public:
  // Numbers of the ABI: AF_*, SOCK_STREAM or SOCK_DGRAM, IPPROTO_*.
  struct Kind {
    int family, type, protocol;
  };

  [[nodiscard]] const Kind& kind() const { return kind_; }
  [[nodiscard]] bool is_stream() const;

  virtual Expected<void> bind(const SocketAddress& address) = 0;
  virtual Expected<void> listen(int backlog) = 0;
  virtual Expected<Ref<Socket>> accept(bool nonblocking, SocketAddress* peer) = 0;
  virtual Expected<void> connect(const SocketAddress& address, bool nonblocking) = 0;
  // `flags`: MSG_* that only tune. `to` may be null. A stream that waits sends all of it.
  virtual Expected<std::size_t> send(std::span<const std::byte> from, int flags, bool nonblocking,
                                     const SocketAddress* to) = 0;
  // `flags`: MSG_PEEK, MSG_TRUNC, MSG_WAITALL.
  virtual Expected<Received> receive(std::span<std::byte> into, int flags, bool nonblocking) = 0;
  virtual Expected<void> set_option(int level, int name, std::span<const std::byte> value) = 0;
  // Bytes of the value.
  virtual Expected<std::size_t> get_option(int level, int name, std::span<std::byte> value) = 0;
  virtual Expected<SocketAddress> name(bool of_peer) = 0;
  virtual Expected<void> shutdown(int how) = 0;
  // FIONREAD.
  virtual Expected<std::size_t> waiting_bytes() = 0;

  // Whether events of the host may bring received bytes along.
  [[nodiscard]] virtual bool takes_early() const { return false; }
  // Bytes that came along, and where they stand in the stream. `drained`: the host has no more, nor the stream's end.
  // False where that was as much as should come early.
  virtual bool take_early(std::uint64_t /*offset*/, std::span<const std::byte> /*bytes*/, bool /*drained*/) {
    return false;
  }
  // One epoll may have bytes brought along. False where another has the right already.
  bool claim_early(const void* claimant) {
    const void* nobody = nullptr;
    return early_taker_.compare_exchange_strong(nobody, claimant) || nobody == claimant;
  }
  void release_early(const void* claimant) { early_taker_.compare_exchange_strong(claimant, nullptr); }
  // Being waited for by other means than that epoll: then somebody must be told of bytes that came early.
  void add_watcher() { watchers_.fetch_add(1); }
  void remove_watcher() { watchers_.fetch_sub(1); }

  Expected<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) final;
  Expected<std::size_t> write_at(std::uint64_t offset, std::span<const std::byte> from) final;
  Expected<std::size_t> read_stream(std::span<std::byte> into, bool nonblocking) final;
  Expected<std::size_t> write_stream(std::span<const std::byte> from, bool nonblocking) final;
  Expected<void> truncate(std::uint64_t size) final;
  Expected<void> sync(bool data_only) final;
  Expected<FileStatus> status() final;
  bool seekable() const final { return false; }
  Socket* as_socket() final { return this; }

 protected:
  explicit Socket(Kind kind);
  [[nodiscard]] bool is_watched() const { return watchers_.load() != 0; }

 private:
  std::atomic<std::uint32_t> watchers_{0};
  std::atomic<const void*> early_taker_{nullptr};
  const Kind kind_;
  const std::uint64_t inode_;
};

// What the image may do on the network; before the first socket. The rules are copied. Without it: nothing.
void allow_network(std::span<const boundary::NetworkRule> rules);

// A socket of the host. EACCES where no rule speaks of sockets of this kind, EAFNOSUPPORT, EPROTONOSUPPORT,
// ESOCKTNOSUPPORT for what there is not.
Expected<Ref<Socket>> make_host_socket(int family, int type, int protocol);

// socketpair(AF_UNIX, SOCK_STREAM), inside.
std::pair<Ref<Socket>, Ref<Socket>> make_socket_pair();

}  // namespace coffer::kernel::fs
