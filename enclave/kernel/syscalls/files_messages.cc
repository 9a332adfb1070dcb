// System calls that send and receive: sendto, recvfrom, and messages in pieces. Ancillary data is not offered.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <algorithm>

#include "enclave/kernel/fs/clock.h"
#include "enclave/kernel/syscalls/sockets_support.h"

namespace coffer::kernel::file_calls {

namespace {

constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE;
constexpr int kReceiveFlags = MSG_DONTWAIT | MSG_PEEK | MSG_TRUNC | MSG_WAITALL | MSG_CMSG_CLOEXEC;
constexpr int kPassedOn = MSG_MORE | MSG_CONFIRM | MSG_DONTROUTE;

std::int64_t sys_sendto(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const UserBytes from = user_bytes(arguments.a[1], std::min(arguments.a[2], kMostBytes), false);
  if (!from.ok) return -EFAULT;
  const int flags = as_int(arguments.a[3]);
  if ((flags & ~kSendFlags) != 0) return -EOPNOTSUPP;
  fs::SocketAddress to;
  if (arguments.a[4] != 0) {
    const auto given = user_address(arguments.a[4], static_cast<std::uint32_t>(arguments.a[5]));
    if (!given) return -given.error();
    to = *given;
  }
  const bool nonblocking = held->nonblocking() || (flags & MSG_DONTWAIT) != 0;
  return answer(held->socket->send(from.bytes, flags & kPassedOn, nonblocking, arguments.a[4] != 0 ? &to : nullptr));
}

std::int64_t sys_recvfrom(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const UserBytes into = user_bytes(arguments.a[1], std::min(arguments.a[2], kMostBytes), true);
  if (!into.ok) return -EFAULT;
  const int flags = as_int(arguments.a[3]);
  if ((flags & ~kReceiveFlags) != 0) return -EOPNOTSUPP;
  const bool nonblocking = held->nonblocking() || (flags & MSG_DONTWAIT) != 0;
  const auto received = held->socket->receive(into.bytes, flags, nonblocking);
  if (!received) return -received.error();
  if (auto given = give_address(received->from, arguments.a[4], arguments.a[5]); !given) return -given.error();
  return static_cast<std::int64_t>(received->size);
}

// A message goes out as one: its pieces are put together first.
Expected<std::size_t> send_message(const HeldSocket& held, const msghdr& message, int flags) {
  if ((flags & ~kSendFlags) != 0 || message.msg_controllen != 0) return error(EOPNOTSUPP);
  const auto pieces = user_pieces(reinterpret_cast<std::uint64_t>(message.msg_iov), message.msg_iovlen, false);
  if (!pieces) return error(pieces.error());
  fs::SocketAddress to;
  if (message.msg_name != nullptr) {
    const auto given = user_address(reinterpret_cast<std::uint64_t>(message.msg_name), message.msg_namelen);
    if (!given) return error(given.error());
    to = *given;
  }
  const fs::SocketAddress* address = message.msg_name != nullptr ? &to : nullptr;
  const bool nonblocking = held.nonblocking() || (flags & MSG_DONTWAIT) != 0;
  if (pieces->size() == 1) return held.socket->send((*pieces)[0], flags & kPassedOn, nonblocking, address);
  std::size_t total = 0;
  for (const auto& piece : *pieces) total += piece.size();
  constexpr std::size_t kMostGathered = std::size_t{1} << 20;
  if (total > kMostGathered) {
    if (!held.socket->is_stream()) return error(EMSGSIZE);
    total = kMostGathered;  // a stream may take less than it is given
  }
  std::vector<std::byte> gathered;
  gathered.reserve(total);
  for (const auto& piece : *pieces) {
    const auto part = piece.first(std::min(piece.size(), total - gathered.size()));
    gathered.insert(gathered.end(), part.begin(), part.end());
  }
  return held.socket->send(gathered, flags & kPassedOn, nonblocking, address);
}

Expected<fs::Received> receive_pieces(const HeldSocket& held, const Pieces& pieces, int flags, bool nonblocking) {
  if (pieces.size() == 1) return held.socket->receive(pieces[0], flags, nonblocking);
  std::size_t total = 0;
  for (const auto& piece : pieces) total += piece.size();
  constexpr std::size_t kMostScattered = std::size_t{256} << 10;
  std::vector<std::byte> whole(std::min(total, kMostScattered));
  const auto received = held.socket->receive(whole, flags, nonblocking);
  if (!received) return received;
  std::size_t done = 0;
  const std::size_t size = std::min(received->size, whole.size());
  for (const auto& piece : pieces) {
    const std::size_t part = std::min(piece.size(), size - done);
    if (part == 0) break;
    std::memcpy(piece.data(), whole.data() + done, part);
    done += part;
  }
  return received;
}

Expected<std::size_t> receive_message(const HeldSocket& held, msghdr& message, int flags) {
  if ((flags & ~kReceiveFlags) != 0) return error(EOPNOTSUPP);
  const auto pieces = user_pieces(reinterpret_cast<std::uint64_t>(message.msg_iov), message.msg_iovlen, true);
  if (!pieces) return error(pieces.error());
  const bool nonblocking = held.nonblocking() || (flags & MSG_DONTWAIT) != 0;
  const auto received = receive_pieces(held, *pieces, flags, nonblocking);
  if (!received) return error(received.error());
  if (message.msg_name != nullptr) {
    const std::uint32_t copied = std::min<std::uint32_t>(message.msg_namelen, received->from.size);
    const UserBytes into = user_bytes(reinterpret_cast<std::uint64_t>(message.msg_name), copied, true);
    if (!into.ok) return error(EFAULT);
    if (copied != 0) std::memcpy(into.bytes.data(), received->from.bytes.data(), copied);
    message.msg_namelen = received->from.size;
  }
  message.msg_controllen = 0;
  message.msg_flags = static_cast<int>(received->flags);
  return received->size;
}

std::int64_t sys_sendmsg(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  const auto message = get_user<msghdr>(arguments.a[1]);
  return message ? answer(send_message(*held, *message, as_int(arguments.a[2]))) : -message.error();
}

std::int64_t sys_recvmsg(const SyscallArguments& arguments) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  auto message = get_user<msghdr>(arguments.a[1]);
  if (!message) return -message.error();
  const auto size = receive_message(*held, *message, as_int(arguments.a[2]));
  if (!size) return -size.error();
  if (auto put = put_user(arguments.a[1], *message); !put) return -put.error();
  return static_cast<std::int64_t>(*size);
}

// Several messages in one call: as many as go before the first error. `move` does one.
template <class Move>
std::int64_t move_messages(const SyscallArguments& arguments, Move move) {
  const auto held = user_socket(arguments.a[0]);
  if (!held) return -held.error();
  constexpr std::uint32_t kMostMessages = 1024;
  const std::uint32_t count = std::min(static_cast<std::uint32_t>(arguments.a[2]), kMostMessages);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t at = arguments.a[1] + i * sizeof(mmsghdr);
    auto message = get_user<mmsghdr>(at);
    const auto size = message ? move(*held, message->msg_hdr, i) : Expected<std::size_t>(error(EFAULT));
    if (!size) return i > 0 ? static_cast<std::int64_t>(i) : -size.error();
    message->msg_len = static_cast<unsigned>(*size);
    if (auto put = put_user(at, *message); !put) return -put.error();
  }
  return count;
}

std::int64_t sys_sendmmsg(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[3]);
  return move_messages(arguments, [&](const HeldSocket& held, const msghdr& message, std::uint32_t /*index*/) {
    return send_message(held, message, flags);
  });
}

// The timeout is looked at between messages only, as Linux does; a null one is none.
std::int64_t sys_recvmmsg(const SyscallArguments& arguments) {
  const int flags = as_int(arguments.a[3]) & ~MSG_WAITFORONE;
  const bool wait_for_one = (as_int(arguments.a[3]) & MSG_WAITFORONE) != 0;
  std::uint64_t deadline = ~std::uint64_t{0};
  if (arguments.a[4] != 0) {
    const auto seconds = get_user<std::int64_t>(arguments.a[4]);
    const auto fraction = get_user<std::int64_t>(arguments.a[4] + sizeof(std::int64_t));
    constexpr std::int64_t kSecond = 1'000'000'000;
    if (!seconds || !fraction) return -EFAULT;
    if (*seconds < 0 || *fraction < 0 || *fraction >= kSecond) return -EINVAL;
    const auto whole = static_cast<std::uint64_t>(std::min(*seconds, kSecond));
    deadline = fs::monotonic_now_ns() + whole * kSecond + static_cast<std::uint64_t>(*fraction);
  }
  return move_messages(arguments, [&](const HeldSocket& held, msghdr& message, std::uint32_t index) {
    if (index > 0 && deadline != ~std::uint64_t{0} && fs::monotonic_now_ns() >= deadline) {
      return Expected<std::size_t>(error(EAGAIN));
    }
    return receive_message(held, message, flags | (wait_for_one && index > 0 ? MSG_DONTWAIT : 0));
  });
}

constexpr const char* kHostCount = "count <= asked";
constexpr const char* kHostData = "count <= asked, data, an address of at most 128 bytes";

constexpr SyscallEntry kMessages[] = {
    {SYS_sendto, "sendto", "fd, buf, len, flags, addr, addrlen", sys_sendto, kHostCount},
    {SYS_recvfrom, "recvfrom", "fd, buf, len, flags, addr, addrlen", sys_recvfrom, kHostData},
    {SYS_sendmsg, "sendmsg", "fd, msg, flags", sys_sendmsg, kHostCount},
    {SYS_recvmsg, "recvmsg", "fd, msg, flags", sys_recvmsg, kHostData},
    {SYS_sendmmsg, "sendmmsg", "fd, msgvec, vlen, flags", sys_sendmmsg, kHostCount},
    {SYS_recvmmsg, "recvmmsg", "fd, msgvec, vlen, flags, timeout", sys_recvmmsg, kHostData},
};

}  // namespace

std::span<const SyscallEntry> message_syscalls() { return kMessages; }

}  // namespace coffer::kernel::file_calls
