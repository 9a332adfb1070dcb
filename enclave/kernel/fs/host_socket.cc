// Sockets of the host: what the kernel asks for, what it lets through, and what it believes.
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/fs/host_directory_calls.h"
#include "enclave/kernel/fs/host_wait.h"
#include "enclave/kernel/fs/received_stream.h"
#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/fs/waiters.h"

namespace coffer::kernel::fs {

using boundary::kNoTimeout;
using boundary::kSocketDataOffset;
using boundary::kSocketWait;
using boundary::NetworkAddress;
using boundary::NetworkDirection;
using boundary::NetworkTransport;
using boundary::Request;

namespace {

constexpr std::size_t kEarlyEnough = 16 * 1024;  // bytes that wait unread before no more come along
constexpr std::uint64_t kMillisecond = 1'000'000;

// Set once, before the first system call, and never freed.
constinit const std::vector<boundary::NetworkRule>* network_rules = nullptr;

NetworkTransport transport_of(int family, int type) {
  if (family == AF_UNIX) return NetworkTransport::kUnix;
  return type == SOCK_STREAM ? NetworkTransport::kTcp : NetworkTransport::kUdp;
}

std::string_view name_of(NetworkTransport transport) {
  if (transport == NetworkTransport::kUnix) return "unix";
  return transport == NetworkTransport::kTcp ? "tcp" : "udp";
}

void append_number(std::string& text, unsigned value, unsigned base = 10) {
  char digits[16];
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (count > 0) text += digits[--count];
}

// As coffer.toml writes it.
std::string describe(const NetworkAddress& address) {
  std::string text(name_of(address.transport));
  text += ':';
  if (address.transport == NetworkTransport::kUnix) {
    text += address.path;
    return text;
  }
  if (address.family == boundary::NetworkFamily::kV4) {
    for (int i = 0; i < 4; ++i) {
      if (i != 0) text += '.';
      append_number(text, address.address[i]);
    }
  } else {
    text += '[';
    for (int i = 0; i < 16; i += 2) {
      if (i != 0) text += ':';
      append_number(text, static_cast<unsigned>(address.address[i] << 8 | address.address[i + 1]), 16);
    }
    text += ']';
  }
  text += ':';
  append_number(text, address.port);
  return text;
}

// Copies the address behind a host's answer out of the exchange area, once.
Expected<SocketAddress> take_address(std::uint64_t size) {
  SocketAddress address;
  if (size > address.bytes.size()) return error(EIO);
  address.size = static_cast<std::uint32_t>(size);
  std::memcpy(address.bytes.data(), exchange_area().data(), address.size);
  return address;
}

void put_address(const SocketAddress& address) {
  std::memcpy(exchange_area().data(), address.bytes.data(), address.size);
}

// A timeout that goes on over several requests.
class Patience {
 public:
  explicit Patience(std::uint64_t timeout_ns) {
    if (timeout_ns != kNoTimeout) deadline_ = monotonic_now_ns() + timeout_ns;
  }
  [[nodiscard]] std::uint64_t left() const {
    if (deadline_ == kNoTimeout) return kNoTimeout;
    const std::uint64_t now = monotonic_now_ns();
    return now < deadline_ ? deadline_ - now : 0;
  }

 private:
  std::uint64_t deadline_ = kNoTimeout;
};

class HostSocket final : public Socket {
 public:
  HostSocket(Kind kind, std::int32_t handle) : Socket(kind), handle_(handle) {}

  Expected<void> bind(const SocketAddress& address) override {
    if (auto allowed = check(NetworkDirection::kBind, address); !allowed) return allowed;
    put_address(address);
    return nothing(call_host(Request::kSocketBind, number(), address.size));
  }

  Expected<void> listen(int backlog) override {
    return nothing(call_host(Request::kSocketListen, number(), static_cast<std::uint32_t>(std::max(backlog, 0))));
  }

  Expected<Ref<Socket>> accept(bool nonblocking, SocketAddress* peer) override {
    const Patience patience(receive_timeout_.load());
    for (;;) {
      const std::uint64_t flags = nonblocking ? 0 : kSocketWait;
      const Answer answer = request(nonblocking, Request::kSocketAccept, flags, nonblocking ? 0 : patience.left());
      if (answer.result == -EINTR && !nonblocking && !wait_interrupted()) continue;
      const auto handle = checked_handle(answer.result);
      if (!handle) return error(handle.error());
      Ref<Socket> accepted(new HostSocket(kind(), *handle));
      const auto address = take_address(answer.extra[0]);
      if (!address) return error(address.error());
      if (peer != nullptr) *peer = *address;
      return accepted;
    }
  }

  Expected<void> connect(const SocketAddress& address, bool nonblocking) override {
    std::uint16_t family = AF_UNSPEC;
    if (address.size >= sizeof(family)) std::memcpy(&family, address.bytes.data(), sizeof(family));
    // AF_UNSPEC takes a datagram socket's peer away: nothing to ask a rule about.
    if (family != AF_UNSPEC || is_stream()) {
      if (auto allowed = check(NetworkDirection::kConnect, address); !allowed) return allowed;
    }
    put_address(address);
    auto connected = nothing(call_host(Request::kSocketConnect, number(), address.size));
    if (connected || connected.error() != EINPROGRESS || nonblocking) return connected;
    const Patience patience(send_timeout_.load());
    for (;;) {
      const auto ready = wait_for_handle(handle_, POLLOUT, patience.left());
      if (ready && *ready != 0) break;
      if (ready) return error(EINPROGRESS);
      if (ready.error() != EINTR || wait_interrupted()) return error(ready.error());
    }
    int failed = 0;
    const auto got = get_option(SOL_SOCKET, SO_ERROR, std::as_writable_bytes(std::span(&failed, 1)));
    if (!got) return error(got.error());
    if (failed != 0) return error(failed > 0 && failed < 4096 ? failed : EIO);
    return {};
  }

  Expected<std::size_t> send(std::span<const std::byte> from, int flags, bool nonblocking,
                             const SocketAddress* to) override {
    if (to != nullptr && !is_stream()) {
      if (auto allowed = check(NetworkDirection::kConnect, *to); !allowed) return error(allowed.error());
    }
    const std::size_t most = exchange_area().size() - kSocketDataOffset;
    if (!is_stream() && from.size() > most) return error(EMSGSIZE);
    const Patience patience(send_timeout_.load());
    std::size_t done = 0;
    do {
      const auto piece = from.subspan(done, std::min(most, from.size() - done));
      const auto count = send_piece(piece, flags, nonblocking, is_stream() ? nullptr : to, patience);
      if (!count) {
        if (done > 0) break;
        return count;
      }
      done += *count;
      if (*count < piece.size() && nonblocking) break;
    } while (is_stream() && done < from.size());
    return done;
  }

  Expected<Received> receive(std::span<std::byte> into, int flags, bool nonblocking) override {
    if (!is_stream()) return receive_datagram(into, flags, nonblocking);
    const Patience patience(receive_timeout_.load());
    const bool peek = (flags & MSG_PEEK) != 0;
    const bool wait_for_all = (flags & MSG_WAITALL) != 0 && !nonblocking;
    const std::size_t most = exchange_area().size() - kSocketDataOffset;
    bool wait = !nonblocking;
    std::size_t done = 0;
    for (;;) {
      const auto count = receive_some(into.subspan(done), peek, !wait, patience);
      if (!count) {
        if (done > 0) break;
        return error(count.error());
      }
      done += *count;
      if (*count == 0 || peek || done == into.size()) break;
      if (wait_for_all) continue;
      // Less than was asked for says that there is no more (epoll(7)); that the exchange area was full does not.
      if (*count < most) break;
      wait = false;
    }
    Received received;
    received.size = done;
    return received;
  }

  Expected<void> set_option(int level, int name, std::span<const std::byte> value) override {
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) return set_timeout(name, value);
    const boundary::SocketOption* option = boundary::find_socket_option(level, name);
    if (option == nullptr || !option->can_set) return error(ENOPROTOOPT);
    if (value.size() < option->size) return error(EINVAL);
    std::memcpy(exchange_area().data() + kSocketDataOffset, value.data(), option->size);
    return nothing(call_host(Request::kSocketSetOption, number(), option_number(level, name), option->size));
  }

  Expected<std::size_t> get_option(int level, int name, std::span<std::byte> value) override {
    if (level == SOL_SOCKET) {
      if (name == SO_TYPE) return give(value, kind().type);
      if (name == SO_DOMAIN) return give(value, kind().family);
      if (name == SO_PROTOCOL) return give(value, kind().protocol);
      if (name == SO_RCVTIMEO || name == SO_SNDTIMEO) return give(value, timeout(name));
    }
    const boundary::SocketOption* option = boundary::find_socket_option(level, name);
    if (option == nullptr) return error(ENOPROTOOPT);
    const std::size_t room = std::min<std::size_t>(value.size(), option->size);
    const Answer answer = call_host(Request::kSocketGetOption, number(), option_number(level, name), room);
    const auto size = checked_result(answer.result, room);
    if (!size) return error(size.error());
    std::memcpy(value.data(), exchange_area().data() + kSocketDataOffset, *size);
    return *size;
  }

  Expected<SocketAddress> name(bool of_peer) override {
    const Answer answer = call_host(Request::kSocketName, number(), of_peer ? 1 : 0);
    const auto size = checked_result(answer.result, boundary::kSocketAddressRoom);
    if (!size) return error(size.error());
    return take_address(*size);
  }

  Expected<void> shutdown(int how) override {
    return nothing(call_host(Request::kSocketShutdown, number(), static_cast<std::uint32_t>(how)));
  }

  Expected<std::size_t> waiting_bytes() override {
    const std::size_t here = stream_.available();
    if (here > 0 && drained_.load()) return here;
    constexpr std::size_t kMost = std::numeric_limits<int>::max();
    const auto there = checked_result(call_host(Request::kBytesWaiting, number()).result, kMost);
    if (!there) return there;
    return std::min(here + *there, kMost);
  }

  std::uint32_t ready() override { return is_stream() && stream_.available() > 0 ? kReadyToRead : 0; }
  std::int32_t host_handle() const override { return handle_; }

  bool takes_early() const override { return is_stream(); }
  bool take_early(std::uint64_t offset, std::span<const std::byte> bytes, bool drained) override {
    ignore_failure(stream_.add(offset, bytes));  // a broken stream says so to who receives
    drained_.store(drained && stream_.reaches(offset));
    if (is_watched()) announce_change();
    return stream_.available() < kEarlyEnough;
  }

 private:
  ~HostSocket() override { call_host(Request::kSocketClose, number()); }

  [[nodiscard]] std::uint64_t number() const { return static_cast<std::uint64_t>(handle_); }
  static std::uint64_t option_number(int level, int name) {
    return static_cast<std::uint64_t>(level) << 32 | static_cast<std::uint32_t>(name);
  }
  static Expected<void> nothing(const Answer& answer) {
    if (auto checked = checked_result(answer.result, 0); !checked) return error(checked.error());
    return {};
  }
  template <class T>
  static Expected<std::size_t> give(std::span<std::byte> value, const T& what) {
    const std::size_t size = std::min(value.size(), sizeof(T));
    std::memcpy(value.data(), &what, size);
    return size;
  }

 public:
  static Expected<std::int32_t> checked_handle(std::int64_t result) {
    const auto handle = checked_result(result, std::numeric_limits<std::int32_t>::max());
    if (!handle) return error(handle.error());
    // A stream or a file of the host is never what a socket is.
    if (*handle < static_cast<std::uint64_t>(boundary::kFirstSocketHandle)) return error(EIO);
    return static_cast<std::int32_t>(*handle);
  }

 private:
  Answer request(bool nonblocking, Request what, std::uint64_t b, std::uint64_t c, std::uint64_t d = 0) {
    return nonblocking ? call_host(what, number(), b, c, d) : waiting_request(nullptr, what, number(), b, c, d);
  }

  Expected<void> check(NetworkDirection direction, const SocketAddress& address) {
    NetworkAddress asked;
    if (!boundary::read_socket_address(address.view(), transport_of(kind().family, kind().type), &asked)) {
      return error(kind().family == AF_UNIX ? EINVAL : EAFNOSUPPORT);
    }
    if (boundary::any_allows(*network_rules, direction, asked)) return {};
    if (is_debug_enclave()) {
      std::string text = "the image may not ";
      text += direction == NetworkDirection::kBind ? "bind " : "connect to ";
      text += describe(asked);
      text += ": EACCES; declare it in [network] of coffer.toml";
      debug_log(text);
    }
    return error(EACCES);
  }

  Expected<std::size_t> send_piece(std::span<const std::byte> piece, int flags, bool nonblocking,
                                   const SocketAddress* to, const Patience& patience) {
    for (;;) {
      if (to != nullptr) put_address(*to);
      if (!piece.empty()) std::memcpy(exchange_area().data() + kSocketDataOffset, piece.data(), piece.size());
      std::uint64_t how = static_cast<std::uint32_t>(flags);
      if (!nonblocking) {
        const std::uint64_t left = patience.left();
        constexpr std::uint64_t kForever = ~std::uint32_t{0};
        how |= kSocketWait | (left == kNoTimeout ? kForever : std::min(left / kMillisecond, kForever - 1)) << 32;
      }
      const Answer answer = request(nonblocking, Request::kSocketSend, piece.size(), to != nullptr ? to->size : 0, how);
      if (answer.result == -EINTR && !nonblocking && !wait_interrupted()) continue;
      return checked_result(answer.result, piece.size());
    }
  }

  // Of a stream, at least a byte; 0 at its end.
  Expected<std::size_t> receive_some(std::span<std::byte> into, bool peek, bool nonblocking, const Patience& patience) {
    if (into.empty()) return 0;
    for (;;) {
      const std::uint64_t ticket = change_ticket();
      if (stream_.broken()) return error(EIO);
      const std::size_t here = stream_.take(into, peek);
      if (here == into.size() || (here > 0 && (peek || drained_.load()))) return here;
      if (drained_.exchange(false) && nonblocking) return error(EAGAIN);
      const bool wait = !nonblocking && here == 0;
      const auto count = receive_from_host(into.subspan(here), peek, wait, patience);
      if (count) return here + *count;
      if (here > 0) return here;
      if (count.error() == EINTR && !nonblocking && !wait_interrupted()) continue;
      if (count.error() != kOutOfTurn) return count;
      if (nonblocking) {
        if (stream_.available() > 0) continue;
        return error(EAGAIN);
      }
      if (stream_.available() > 0) continue;
      if (wait_interrupted()) return error(EINTR);
      add_watcher();
      wait_for_change(ticket, patience.left());
      remove_watcher();
    }
  }

  // Straight from the host. kOutOfTurn: another thread has bytes that come before.
  Expected<std::size_t> receive_from_host(std::span<std::byte> into, bool peek, bool wait, const Patience& patience) {
    const std::size_t room = std::min(into.size(), exchange_area().size() - kSocketDataOffset);
    const std::uint64_t flags = (peek ? MSG_PEEK : 0) | (wait ? kSocketWait : 0);
    if (wait) add_watcher();
    const Answer answer = request(!wait, Request::kSocketReceive, room, flags, wait ? patience.left() : 0);
    if (wait) remove_watcher();
    const auto count = checked_result(answer.result, room);
    if (!count) return error(count.error());
    const std::uint64_t offset = answer.extra[2];
    const std::span<const std::byte> bytes = exchange_area().subspan(kSocketDataOffset, *count);
    if (peek || *count == 0) {
      if (!stream_.has_given(offset)) return error(kOutOfTurn);
      if (*count != 0) std::memcpy(into.data(), bytes.data(), *count);
      return *count;
    }
    if (stream_.pass(offset, *count)) {
      std::memcpy(into.data(), bytes.data(), *count);
      return *count;
    }
    if (auto added = stream_.add(offset, bytes); !added) return error(added.error());
    return error(kOutOfTurn);
  }

  Expected<Received> receive_datagram(std::span<std::byte> into, int flags, bool nonblocking) {
    const std::size_t room = std::min(into.size(), exchange_area().size() - kSocketDataOffset);
    const Patience patience(receive_timeout_.load());
    for (;;) {
      const std::uint64_t how =
          static_cast<std::uint32_t>(flags & (MSG_PEEK | MSG_TRUNC)) | (nonblocking ? 0 : kSocketWait);
      const Answer answer = request(nonblocking, Request::kSocketReceive, room, how, nonblocking ? 0 : patience.left());
      if (answer.result == -EINTR && !nonblocking && !wait_interrupted()) continue;
      constexpr std::uint64_t kLargestDatagram = 0x7fffffff;
      const auto size = checked_result(answer.result, (flags & MSG_TRUNC) != 0 ? kLargestDatagram : room);
      if (!size) return error(size.error());
      auto from = take_address(answer.extra[0]);
      if (!from) return error(from.error());
      Received received;
      received.size = *size;
      received.flags = static_cast<std::uint32_t>(answer.extra[1]) & MSG_TRUNC;
      received.from = *from;
      const std::size_t copied = std::min<std::size_t>(room, *size);
      if (copied > 0) std::memcpy(into.data(), exchange_area().data() + kSocketDataOffset, copied);
      return received;
    }
  }

  Expected<void> set_timeout(int name, std::span<const std::byte> value) {
    timeval time{};
    if (value.size() < sizeof(time)) return error(EINVAL);
    std::memcpy(&time, value.data(), sizeof(time));
    constexpr std::int64_t kMicroseconds = 1'000'000;
    if (time.tv_usec < 0 || time.tv_usec >= kMicroseconds) return error(EDOM);
    constexpr std::int64_t kCentury = std::int64_t{100} * 366 * 86400;
    std::uint64_t timeout = kNoTimeout;  // 0 stands for none
    if (time.tv_sec > 0 || time.tv_usec > 0) {
      timeout = static_cast<std::uint64_t>(std::min<std::int64_t>(time.tv_sec, kCentury)) * 1'000'000'000 +
                static_cast<std::uint64_t>(time.tv_usec) * 1000;
    }
    (name == SO_RCVTIMEO ? receive_timeout_ : send_timeout_).store(timeout);
    return {};
  }
  [[nodiscard]] timeval timeout(int name) const {
    const std::uint64_t value = (name == SO_RCVTIMEO ? receive_timeout_ : send_timeout_).load();
    if (value == kNoTimeout) return {};
    return {static_cast<time_t>(value / 1'000'000'000), static_cast<suseconds_t>(value % 1'000'000'000 / 1000)};
  }

  static constexpr int kOutOfTurn = 5000;  // no errno

  const std::int32_t handle_;
  ReceivedStream stream_;
  std::atomic<bool> drained_{false};
  std::atomic<std::uint64_t> receive_timeout_{kNoTimeout}, send_timeout_{kNoTimeout};
};

bool any_rule_for(NetworkTransport transport) {
  for (const auto& rule : *network_rules) {
    if (rule.transport == transport) return true;
  }
  return false;
}

}  // namespace

void allow_network(std::span<const boundary::NetworkRule> rules) {
  // Again only in tests, each of which sets a kernel up.
  delete std::exchange(network_rules, new std::vector<boundary::NetworkRule>(rules.begin(), rules.end()));
}

Expected<Ref<Socket>> make_host_socket(int family, int type, int protocol) {
  if (family != AF_UNIX && family != AF_INET && family != AF_INET6) return error(EAFNOSUPPORT);
  if (type != SOCK_STREAM && type != SOCK_DGRAM) return error(ESOCKTNOSUPPORT);
  const int natural = family == AF_UNIX ? 0 : type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  if (protocol != 0 && protocol != natural) return error(EPROTONOSUPPORT);
  if (const NetworkTransport transport = transport_of(family, type); !any_rule_for(transport)) {
    std::string text = "the image has no ";
    text += name_of(transport);
    text += " sockets: EACCES; declare them in [network] of coffer.toml";
    debug_log(text);
    return error(EACCES);
  }
  const Answer answer =
      call_host(Request::kSocketOpen, static_cast<std::uint64_t>(family), static_cast<std::uint64_t>(type));
  const auto handle = HostSocket::checked_handle(answer.result);
  if (!handle) return error(handle.error());
  return Ref<Socket>(new HostSocket({family, type, natural}, *handle));
}

}  // namespace coffer::kernel::fs
