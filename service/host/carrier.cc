#include "service/host/carrier.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace coffer::service {
namespace {

// In place of a connection's number in epoll's data: numbers never reach these.
constexpr std::uint64_t kListener = ~std::uint64_t{0}, kEvent = kListener - 1;
constexpr std::uint64_t kStuck = 30'000'000'000;  // ns in which a client takes nothing of what is for it
constexpr int kLook = 1000;                       // ms

void set_interest(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t number) {
  epoll_event event{.events = events, .data = {.u64 = number}};
  ::epoll_ctl(epoll, operation, fd, &event);
}

void put_address(const sockaddr_storage& from, std::uint8_t (&peer)[16]) {
  if (from.ss_family == AF_INET6) {
    std::memcpy(peer, &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
    return;
  }
  peer[10] = peer[11] = 0xff;
  std::memcpy(peer + 12, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
}

}  // namespace

struct Carrier::Connection {
  DeliverHeader header;
  FileDescriptor socket;
  std::vector<std::byte> unsent;
  std::size_t sent = 0;
  bool more = false, closing = false, ended = false;
  std::uint64_t moved = 0;  // when it last took bytes
  std::uint32_t watched = 0;
};

Result<FileDescriptor> listen_tcp(const std::string& address, std::uint16_t port) {
  sockaddr_storage storage{};
  auto& four = reinterpret_cast<sockaddr_in&>(storage);
  auto& six = reinterpret_cast<sockaddr_in6&>(storage);
  socklen_t size = 0;
  if (::inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1) {
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    size = sizeof(four);
  } else if (::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) == 1) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    size = sizeof(six);
  } else {
    return input_error("'" + address + "' is no IP address to listen at");
  }
  FileDescriptor socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!socket) return system_error("no socket can be made", errno);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0 || ::listen(socket.get(), 512) != 0) {
    return system_error("cannot listen at " + address + " port " + std::to_string(port), errno);
  }
  return socket;
}

std::uint16_t port_of(int socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(storage).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(storage).sin_port);
}

Carrier::Carrier(int listener, std::uint64_t first, std::uint64_t step, std::size_t most, std::span<std::byte> in,
                 std::span<std::byte> out, Deliver deliver, Disconnected disconnected)
    : listener_(listener),
      next_(first),
      first_(first),
      step_(step),
      most_(most),
      in_(in),
      out_(out),
      deliver_(std::move(deliver)),
      disconnected_(std::move(disconnected)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  set_interest(epoll_.get(), EPOLL_CTL_ADD, event_.get(), EPOLLIN, kEvent);
}

Carrier::~Carrier() = default;

void Carrier::wake() const {
  const std::uint64_t one = 1;
  if (::write(event_.get(), &one, sizeof(one)) < 0) return;  // full: it is awake
}

void Carrier::stop() {
  stopping_ = true;
  wake();
}
void Carrier::stop_accepting() {
  refuse_new_ = true;
  wake();
}
void Carrier::nudge(std::vector<std::uint64_t> connections) {
  const std::lock_guard lock(mutex_);
  nudged_.insert(nudged_.end(), connections.begin(), connections.end());
  wake();
}

Carrier::Connection* Carrier::find(std::uint64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : found->second.get();
}

void Carrier::run() {
  std::array<epoll_event, 64> events{};
  std::uint64_t looked = monotonic_ns();
  while (!stopping_) {
    const bool listen = accepting_ && !refuse_new_ && connections_.size() < most_;
    if (listen != listening_) {
      set_interest(epoll_.get(), listen ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener_,
                   EPOLLIN | (listen ? EPOLLEXCLUSIVE : 0u), kListener);
      listening_ = listen;
    }
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), kLook);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      if (event.data.u64 == kEvent) {
        take_orders();
      } else if (event.data.u64 == kListener) {
        accept_all();
      } else if (Connection* connection = find(event.data.u64); connection != nullptr) {
        if (!connection->unsent.empty()) {
          write(*connection);
        } else {
          read(*connection);
        }
      }
    }
    if (monotonic_ns() - looked < std::uint64_t{kLook} * 1'000'000) continue;
    looked = monotonic_ns();
    accepting_ = true;
    drop_stuck();
  }
  while (!connections_.empty()) drop(connections_.begin()->first);
}

void Carrier::take_orders() {
  std::uint64_t count = 0;
  if (::read(event_.get(), &count, sizeof(count)) < 0) return;
  std::vector<std::uint64_t> nudged;
  {
    const std::lock_guard lock(mutex_);
    nudged.swap(nudged_);
  }
  for (const std::uint64_t number : nudged) {
    Connection* connection = find(number);
    if (connection == nullptr) continue;
    // The enclave's time for it is up and it does not even take what it was sent.
    if (!connection->unsent.empty()) {
      drop(number);
    } else {
      deliver(*connection, 0, 0);
    }
  }
}

void Carrier::accept_all() {
  while (connections_.size() < most_ && !refuse_new_) {
    sockaddr_storage from{};
    socklen_t size = sizeof(from);
    FileDescriptor socket(
        ::accept4(listener_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      // No descriptors left: look again in a while, rather than at once and for ever.
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) accepting_ = false;
      return;
    }
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    auto connection = std::make_unique<Connection>();
    connection->header.connection = next_;
    connection->header.flags = kNew;
    put_address(from, connection->header.peer);
    connection->socket = std::move(socket);
    connection->moved = monotonic_ns();
    connection->watched = EPOLLIN;
    set_interest(epoll_.get(), EPOLL_CTL_ADD, connection->socket.get(), EPOLLIN, next_);
    connections_.emplace(next_, std::move(connection));
    next_ += step_;
  }
}

// Either what the client sends is looked at, or what it is sent: so nobody can make answers pile up here.
void Carrier::watch(Connection& connection) {
  const std::uint32_t wanted = connection.unsent.empty() ? EPOLLIN : EPOLLOUT;
  if (wanted == connection.watched) return;
  connection.watched = wanted;
  set_interest(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), wanted, connection.header.connection);
}

void Carrier::read(Connection& connection) {
  std::byte* to = in_.data() + sizeof(DeliverHeader);
  const ssize_t got = ::recv(connection.socket.get(), to, kMostBytes, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0 || (got == 0 && (connection.header.flags & kNew) != 0)) return drop(connection.header.connection);
  if (got == 0) connection.ended = true;
  deliver(connection, static_cast<std::size_t>(got), got == 0 ? kEnd : 0);
}

// Delivers the `size` bytes that stand in in_, and whatever the enclave has more to say, as far as the client takes it.
void Carrier::deliver(Connection& connection, std::size_t size, std::uint32_t flags) {
  const std::uint64_t number = connection.header.connection;
  for (bool again = true; again;) {
    again = false;
    DeliverHeader header = connection.header;
    header.flags |= flags;
    std::memcpy(in_.data(), &header, sizeof(header));
    connection.header.flags = 0;
    const std::size_t filled = deliver_(in_.first(sizeof(header) + size), out_);
    DeliverAnswer answer;
    if (filled < sizeof(answer)) return drop(number);
    std::memcpy(&answer, out_.data(), sizeof(answer));
    if (answer.size > filled - sizeof(answer)) return drop(number);
    const auto bytes = out_.subspan(sizeof(answer), answer.size);
    connection.more = (answer.flags & kMore) != 0;
    connection.closing = (answer.flags & kClose) != 0 || (connection.ended && !connection.more);
    const ssize_t sent = bytes.empty() ? 0 : ::send(connection.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return drop(number);
    const auto rest = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    if (sent > 0) connection.moved = monotonic_ns();
    connection.unsent.assign(rest.begin(), rest.end());
    connection.sent = 0;
    if (rest.empty() && connection.closing) return drop(number);
    again = rest.empty() && connection.more;
    size = 0;
    flags = connection.ended ? kEnd : 0;
  }
  watch(connection);
}

void Carrier::write(Connection& connection) {
  const auto rest = std::span(connection.unsent).subspan(connection.sent);
  const ssize_t sent = ::send(connection.socket.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (sent <= 0) return drop(connection.header.connection);
  connection.sent += static_cast<std::size_t>(sent);
  connection.moved = monotonic_ns();
  if (connection.sent < connection.unsent.size()) return;
  connection.unsent = {};
  connection.sent = 0;
  if (connection.closing) return drop(connection.header.connection);
  if (connection.more) return deliver(connection, 0, 0);
  watch(connection);
}

void Carrier::drop(std::uint64_t number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  const bool known = (found->second->header.flags & kNew) == 0;
  connections_.erase(found);
  if (known) disconnected_(number);
}

void Carrier::drop_stuck() {
  const std::uint64_t now = monotonic_ns();
  std::vector<std::uint64_t> stuck;
  for (const auto& [number, connection] : connections_) {
    // One that never said a word is not known to the enclave, so its time is kept here.
    const bool waits = !connection->unsent.empty() || (connection->header.flags & kNew) != 0;
    if (waits && now - connection->moved > kStuck) stuck.push_back(number);
  }
  for (const std::uint64_t number : stuck) drop(number);
}

}  // namespace coffer::service
