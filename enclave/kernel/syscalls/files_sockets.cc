// System calls that make, name and steer sockets. Bytes move in files_messages.cc.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>

#include "enclave/kernel/fs/socket.h"
#include "enclave/kernel/syscalls/sockets_support.h"

namespace coffer::kernel::file_calls {

Expected<HeldSocket> user_socket(std::uint64_t number) {
  auto description = descriptor(number);
  if (!description) return error(description.error());
  fs::Socket* socket = (*description)->file().as_socket();
  if (socket == nullptr) return error(ENOTSOCK);
  return HeldSocket{*std::move(description), socket};
}

Expected<fs::SocketAddress> user_address(std::uint64_t address, std::uint64_t size) {
  fs::SocketAddress result;
  if (size > result.bytes.size()) return error(EINVAL);
  const UserBytes given = user_bytes(address, size, false);
  if (!given.ok) return error(EFAULT);
  result.size = static_cast<std::uint32_t>(size);
  if (size != 0) std::memcpy(result.bytes.data(), given.bytes.data(), size);
  return result;
}

Expected<void> give_address(const fs::SocketAddress& name, std::uint64_t address, std::uint64_t size_address) {
  if (address == 0) return {};
  const auto room = get_user<std::uint32_t>(size_address);
  if (!room) return error(room.error());
  if (static_cast<std::int32_t>(*room) < 0) return error(EINVAL);
  const std::uint32_t copied = std::min(*room, name.size);
  const UserBytes into = user_bytes(address, copied, true);
  if (!into.ok) return error(EFAULT);
  if (copied != 0) std::memcpy(into.bytes.data(), name.bytes.data(), copied);
  return put_user(size_address, name.size);
}

namespace {

constexpr int kTypeFlags = SOCK_NONBLOCK | SOCK_CLOEXEC;
static_assert(SOCK_NONBLOCK == O_NONBLOCK && SOCK_CLOEXEC == O_CLOEXEC);

std::int64_t add_socket(const fs::Ref<fs::Socket>& socket, int flags) {
  fs::Ref<fs::Description> description(
      new fs::Description(socket, O_RDWR | (flags & SOCK_NONBLOCK), "socket:", nullptr, 0));
  return answer(files().descriptors.add(std::move(description), (flags & SOCK_CLOEXEC) != 0));
}

std::int64_t sys_socket(const SyscallArguments& arguments) {
  const int type = as_int(arguments.a[1]);
  const auto socket = fs::make_host_socket(as_int(arguments.a[0]), type & ~kTypeFlags, as_int(arguments.a[2]));
  return socket ? add_socket(*socket, type) : -socket.error();
}

std::int64_t sys_socketpair(const SyscallArguments& arguments) {
  const int type = as_int(arguments.a[1]);
  if (as_int(arguments.a[0]) != AF_UNIX) return -EOPNOTSUPP;
  if ((type & ~kTypeFlags) != SOCK_STREAM) return -ESOCKTNOSUPPORT;
  if (as_int(arguments.a[2]) != 0) return -EPROTONOSUPPORT;
  const UserBytes room = user_bytes(arguments.a[3], 2 * sizeof(int), true);
  if (!room.ok) return -EFAULT;
  const auto [one, other] = fs::make_socket_pair();
  const std::int64_t first = add_socket(one, type);
  if (first < 0) return first;
  const std::int64_t second = add_socket(other, type);
  if (second < 0) {
    fs::ignore_failure(files().descriptors.close(first));
    return second;
  }
  const int numbers[2] = {static_cast<int>(first), static_cast<int>(second)};
  std::memcpy(room.bytes.data(), numbers, sizeof(numbers));
  return 0;
}

std::int64_t sys_bind(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const auto address = user_address(arguments.a[1], static_cast<std::uint32_t>(arguments.a[2]));
  return address ? answer(held->socket->bind(*address)) : -address.error();
}

std::int64_t sys_listen(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  return held ? answer(held->socket->listen(as_int(arguments.a[1]))) : -held.error();
}

std::int64_t accept_connection(const SyscallArguments& arguments, int flags) {
  if ((flags & ~kTypeFlags) != 0) return -EINVAL;
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  fs::SocketAddress peer;
  const auto accepted = held->socket->accept(held->nonblocking(), &peer);
  if (!accepted) return -accepted.error();
  if (auto given = give_address(peer, arguments.a[1], arguments.a[2]); !given) return -given.error();
  return add_socket(*accepted, flags);
}
std::int64_t sys_accept(const SyscallArguments& arguments) { return accept_connection(arguments, 0); }
std::int64_t sys_accept4(const SyscallArguments& arguments) {
  return accept_connection(arguments, as_int(arguments.a[3]));
}

std::int64_t sys_connect(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const auto address = user_address(arguments.a[1], static_cast<std::uint32_t>(arguments.a[2]));
  return address ? answer(held->socket->connect(*address, held->nonblocking())) : -address.error();
}

std::int64_t tell_name(const SyscallArguments& arguments, bool of_peer) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const auto name = held->socket->name(of_peer);
  if (!name) return -name.error();
  if (arguments.a[1] == 0) return -EFAULT;
  return answer(give_address(*name, arguments.a[1], arguments.a[2]));
}
std::int64_t sys_getsockname(const SyscallArguments& arguments) { return tell_name(arguments, false); }
std::int64_t sys_getpeername(const SyscallArguments& arguments) { return tell_name(arguments, true); }

std::int64_t sys_shutdown(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const int how = as_int(arguments.a[1]);
  if (how < SHUT_RD || how > SHUT_RDWR) return -EINVAL;
  return answer(held->socket->shutdown(how));
}

constexpr std::uint32_t kMostOption = 1024;

std::int64_t sys_setsockopt(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const auto size = static_cast<std::uint32_t>(arguments.a[4]);
  if (size > kMostOption) return -EINVAL;
  const UserBytes value = user_bytes(arguments.a[3], size, false);
  if (!value.ok) return -EFAULT;
  return answer(held->socket->set_option(as_int(arguments.a[1]), as_int(arguments.a[2]), value.bytes));
}

std::int64_t sys_getsockopt(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const auto size = get_user<std::uint32_t>(arguments.a[4]);
  if (!size) return -size.error();
  if (static_cast<std::int32_t>(*size) < 0) return -EINVAL;
  const UserBytes value = user_bytes(arguments.a[3], std::min(*size, kMostOption), true);
  if (!value.ok) return -EFAULT;
  const auto given = held->socket->get_option(as_int(arguments.a[1]), as_int(arguments.a[2]), value.bytes);
  if (!given) return -given.error();
  return answer(put_user(arguments.a[4], static_cast<std::uint32_t>(*given)));
}

constexpr const char* kHostHandle = "a handle, used only to name the socket to the host";
constexpr const char* kHostErrno = "0 or an errno";
constexpr const char* kHostAddress = "an address of at most 128 bytes";

constexpr SyscallEntry kSockets[] = {
    {SYS_socket, "socket", "domain, type, protocol", sys_socket, kHostHandle},
    {SYS_socketpair, "socketpair", "domain, type, protocol, fds", sys_socketpair, ""},
    {SYS_bind, "bind", "fd, addr, addrlen", sys_bind, kHostErrno},
    {SYS_listen, "listen", "fd, backlog", sys_listen, kHostErrno},
    {SYS_accept, "accept", "fd, addr, addrlen", sys_accept, kHostAddress},
    {SYS_accept4, "accept4", "fd, addr, addrlen, flags", sys_accept4, kHostAddress},
    {SYS_connect, "connect", "fd, addr, addrlen", sys_connect, kHostErrno},
    {SYS_getsockname, "getsockname", "fd, addr, addrlen", sys_getsockname, kHostAddress},
    {SYS_getpeername, "getpeername", "fd, addr, addrlen", sys_getpeername, kHostAddress},
    {SYS_shutdown, "shutdown", "fd, how", sys_shutdown, kHostErrno},
    {SYS_setsockopt, "setsockopt", "fd, level, optname, optval, optlen", sys_setsockopt, kHostErrno},
    {SYS_getsockopt, "getsockopt", "fd, level, optname, optval, optlen", sys_getsockopt,
     "the option's value, of at most its size"},
};

}  // namespace

std::span<const SyscallEntry> socket_syscalls() { return kSockets; }

}  // namespace coffer::kernel::file_calls
