// What the network service does with one socket.
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/clock.h"
#include "host/network/network_parts.h"

namespace coffer::host {

using boundary::kSocketAddressRoom;
using boundary::kSocketDataOffset;
using boundary::kSocketWait;
using boundary::NetworkDirection;

namespace {

static_assert(sizeof(sockaddr_storage) == kSocketAddressRoom);

bool has_data_room(std::span<std::byte> exchange, std::uint64_t size) {
  return range_fits(kSocketDataOffset, size, exchange.size());
}

std::uint64_t put_address(std::span<std::byte> exchange, const sockaddr_storage& address, socklen_t size) {
  const std::size_t copied = std::min<std::size_t>({size, kSocketAddressRoom, exchange.size()});
  std::memcpy(exchange.data(), &address, copied);
  return copied;
}

// Tries until it works, fails for good, the time is over, or the thread is woken. `attempt` answers as system calls do.
template <class Attempt>
std::int64_t persist(Waits& waits, std::uint32_t thread, int file, short events, bool wait, std::uint64_t timeout,
                     Attempt attempt) {
  const std::uint64_t begin = wait && timeout != Waits::kForever ? monotonic_ns() : 0;
  for (;;) {
    const std::int64_t result = attempt();
    if (result >= 0) return result;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || !wait) return -errno;
    std::uint64_t left = timeout;
    if (timeout != Waits::kForever) {
      const std::uint64_t passed = monotonic_ns() - begin;
      if (passed >= timeout) return -EAGAIN;
      left = timeout - passed;
    }
    if (const int ready = waits.wait_for(thread, file, events, left); ready < 0) return ready;
  }
}

boundary::NetworkTransport transport_of(int family, int type) {
  if (family == AF_UNIX) return boundary::NetworkTransport::kUnix;
  return type == SOCK_STREAM ? boundary::NetworkTransport::kTcp : boundary::NetworkTransport::kUdp;
}

}  // namespace

// Copies the address out of the exchange area, once, and asks the rules. 0 or an errno.
int NetworkService::check_address(const Call& call, const Socket& socket, NetworkDirection direction,
                                  std::uint64_t size, sockaddr_storage* address) const {
  if (size > kSocketAddressRoom || size > call.exchange.size()) return EINVAL;
  *address = {};
  std::memcpy(address, call.exchange.data(), size);
  if (address->ss_family == AF_UNSPEC && direction == NetworkDirection::kConnect && socket.type == SOCK_DGRAM) return 0;
  boundary::NetworkAddress asked;
  const auto bytes = std::as_bytes(std::span(reinterpret_cast<const std::byte*>(address), size));
  if (!boundary::read_socket_address(bytes, transport_of(socket.family, socket.type), &asked)) return EINVAL;
  return permits(direction, asked) ? 0 : EACCES;
}

Answer NetworkService::bind(const Call& call, Socket& socket) {
  sockaddr_storage address{};
  const std::uint64_t size = call.arguments[1];
  if (const int reason = check_address(call, socket, NetworkDirection::kBind, size, &address); reason != 0) {
    return network_failure(reason);
  }
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  return ::bind(socket.file.get(), name, static_cast<socklen_t>(size)) == 0 ? Answer{} : network_errno();
}

Answer NetworkService::accept(const Call& call, Socket& socket) {
  const bool wait = (call.arguments[1] & kSocketWait) != 0;
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  const std::int64_t file =
      persist(waits_, call.thread, socket.file.get(), POLLIN, wait, call.arguments[2], [&]() -> std::int64_t {
        size = sizeof(address);
        return ::accept4(socket.file.get(), reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
      });
  if (file < 0) return {.result = file, .extra = {}};
  auto accepted = std::make_shared<Socket>();
  accepted->file = FileDescriptor(static_cast<int>(file));
  accepted->family = socket.family;
  accepted->type = socket.type;
  const std::uint64_t told = put_address(call.exchange, address, size);
  return {.result = insert({std::move(accepted), nullptr}), .extra = {told, 0, 0}};
}

Answer NetworkService::connect(const Call& call, Socket& socket) {
  sockaddr_storage address{};
  const std::uint64_t size = call.arguments[1];
  if (const int reason = check_address(call, socket, NetworkDirection::kConnect, size, &address); reason != 0) {
    return network_failure(reason);
  }
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  return ::connect(socket.file.get(), name, static_cast<socklen_t>(size)) == 0 ? Answer{} : network_errno();
}

Answer NetworkService::send(const Call& call, Socket& socket) {
  const auto [handle, length, address_size, how] = call.arguments;
  if (!has_data_room(call.exchange, length)) return network_failure(EINVAL);
  sockaddr_storage address{};
  if (address_size != 0) {
    const int reason = check_address(call, socket, NetworkDirection::kConnect, address_size, &address);
    if (reason != 0) return network_failure(reason);
  }
  constexpr std::uint64_t kPassed = MSG_MORE | MSG_CONFIRM | MSG_DONTROUTE;
  constexpr std::uint64_t kMilliseconds = 1'000'000;
  constexpr std::uint64_t kNoLimit = 0xffffffff;
  const std::uint64_t timeout = how >> 32 == kNoLimit ? Waits::kForever : (how >> 32) * kMilliseconds;
  const int flags = static_cast<int>(how & kPassed) | MSG_NOSIGNAL;
  const auto data = call.exchange.subspan(kSocketDataOffset, length);
  const auto* to = address_size != 0 ? reinterpret_cast<const sockaddr*>(&address) : nullptr;
  const auto to_size = static_cast<socklen_t>(address_size);
  const int file = socket.file.get();
  const auto attempt = [=]() -> std::int64_t { return ::sendto(file, data.data(), data.size(), flags, to, to_size); };
  const std::int64_t sent = persist(waits_, call.thread, file, POLLOUT, (how & kSocketWait) != 0, timeout, attempt);
  return {.result = sent, .extra = {}};
}

Answer NetworkService::receive(const Call& call, Socket& socket) {
  const auto [handle, room, how, timeout] = call.arguments;
  if (!has_data_room(call.exchange, room)) return network_failure(EINVAL);
  constexpr std::uint64_t kPassed = MSG_PEEK | MSG_TRUNC;
  const bool stream = socket.type == SOCK_STREAM;
  // MSG_TRUNC on a stream would throw bytes away.
  const int flags = static_cast<int>(how & (stream ? std::uint64_t{MSG_PEEK} : kPassed));
  sockaddr_storage address{};
  iovec into{call.exchange.data() + kSocketDataOffset, room};
  msghdr message{};
  std::uint64_t offset = 0;
  const auto attempt = [&]() -> std::int64_t {
    const std::scoped_lock guard(socket.mutex);
    message = {};
    message.msg_iov = &into;
    message.msg_iovlen = 1;
    message.msg_name = stream ? nullptr : &address;
    message.msg_namelen = stream ? 0 : sizeof(address);
    const ssize_t count = ::recvmsg(socket.file.get(), &message, flags);
    offset = socket.received;
    if (stream && count > 0 && (flags & MSG_PEEK) == 0) socket.received += static_cast<std::uint64_t>(count);
    return count;
  };
  const std::int64_t count =
      persist(waits_, call.thread, socket.file.get(), POLLIN, (how & kSocketWait) != 0, timeout, attempt);
  if (count < 0) return {.result = count, .extra = {}};
  const std::uint64_t told = stream ? 0 : put_address(call.exchange, address, message.msg_namelen);
  return {.result = count, .extra = {told, static_cast<std::uint64_t>(message.msg_flags), offset}};
}

Answer NetworkService::set_option(const Call& call, const Socket& socket) {
  const auto level = static_cast<std::int32_t>(call.arguments[1] >> 32);
  const auto name = static_cast<std::int32_t>(call.arguments[1]);
  const boundary::SocketOption* option = boundary::find_socket_option(level, name);
  if (option == nullptr || !option->can_set) return network_failure(ENOPROTOOPT);
  if (call.arguments[2] != option->size || !has_data_room(call.exchange, option->size)) return network_failure(EINVAL);
  return ::setsockopt(socket.file.get(), level, name, call.exchange.data() + kSocketDataOffset, option->size) == 0
             ? Answer{}
             : network_errno();
}

Answer NetworkService::get_option(const Call& call, const Socket& socket) {
  const auto level = static_cast<std::int32_t>(call.arguments[1] >> 32);
  const auto name = static_cast<std::int32_t>(call.arguments[1]);
  const boundary::SocketOption* option = boundary::find_socket_option(level, name);
  if (option == nullptr) return network_failure(ENOPROTOOPT);
  if (call.arguments[2] > option->size || !has_data_room(call.exchange, option->size)) return network_failure(EINVAL);
  auto size = static_cast<socklen_t>(call.arguments[2]);
  if (::getsockopt(socket.file.get(), level, name, call.exchange.data() + kSocketDataOffset, &size) != 0) {
    return network_errno();
  }
  return {.result = size, .extra = {}};
}

Answer NetworkService::name(const Call& call, const Socket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  const auto ask = call.arguments[1] == 1 ? ::getpeername : ::getsockname;
  if (ask(socket.file.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return network_errno();
  return {.result = static_cast<std::int64_t>(put_address(call.exchange, address, size)), .extra = {}};
}

}  // namespace coffer::host
