#include "host/network/network_service.h"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <limits>

#include "host/network/network_parts.h"

namespace coffer::host {

using boundary::kFirstSocketHandle;
using boundary::Request;

NetworkService::NetworkService(FileService::Streams streams, std::size_t max_handles)
    : streams_(streams),
      max_handles_(std::min<std::size_t>(max_handles, std::numeric_limits<std::int32_t>::max() - kFirstSocketHandle)) {}

NetworkService::~NetworkService() = default;

void NetworkService::allow(std::span<const boundary::NetworkRule> declared) {
  declared_.assign(declared.begin(), declared.end());
}

void NetworkService::narrow(std::span<const boundary::NetworkRule> permitted) {
  permitted_.emplace(permitted.begin(), permitted.end());
}

bool NetworkService::permits(boundary::NetworkDirection direction, const boundary::NetworkAddress& address) const {
  return boundary::any_allows(declared_, direction, address) &&
         (!permitted_ || boundary::any_allows(*permitted_, direction, address));
}

bool NetworkService::serves(Request request) {
  return request >= Request::kSocketOpen && request <= Request::kBytesWaiting;
}

Answer NetworkService::serve(Request request, const RequestArguments& arguments, std::span<std::byte> exchange,
                             std::uint32_t thread) {
  const Call call{request, arguments, exchange, thread};
  try {
    switch (request) {
      case Request::kSocketOpen:
        return open_socket(call);
      case Request::kPollerOpen:
        return open_poller();
      case Request::kSocketClose:
        return close(arguments[0]);
      case Request::kWaitFor:
        return wait_for(call);
      case Request::kWake:
        if (arguments[0] > std::numeric_limits<std::uint32_t>::max()) return network_failure(EINVAL);
        waits_.wake(static_cast<std::uint32_t>(arguments[0]));
        return {};
      default:
        break;
    }
    const Entry entry = find(arguments[0]);
    if (request == Request::kPollerWait) return entry.poller ? wait_poller(call, entry.poller) : network_failure(EBADF);
    return entry.socket ? serve_socket(call, *entry.socket) : network_failure(EBADF);
  } catch (const std::bad_alloc&) {
    return network_failure(ENOMEM);
  }
}

Answer NetworkService::serve_socket(const Call& call, Socket& socket) {
  const int file = socket.file.get();
  switch (call.request) {
    case Request::kSocketBind:
      return bind(call, socket);
    case Request::kSocketListen: {
      const auto backlog = static_cast<int>(std::min<std::uint64_t>(call.arguments[1], SOMAXCONN));
      return ::listen(file, backlog) == 0 ? Answer{} : network_errno();
    }
    case Request::kSocketAccept:
      return accept(call, socket);
    case Request::kSocketConnect:
      return connect(call, socket);
    case Request::kSocketSend:
      return send(call, socket);
    case Request::kSocketReceive:
      return receive(call, socket);
    case Request::kSocketSetOption:
      return set_option(call, socket);
    case Request::kSocketGetOption:
      return get_option(call, socket);
    case Request::kSocketName:
      return name(call, socket);
    case Request::kSocketShutdown:
      if (call.arguments[1] > SHUT_RDWR) return network_failure(EINVAL);
      return ::shutdown(file, static_cast<int>(call.arguments[1])) == 0 ? Answer{} : network_errno();
    case Request::kBytesWaiting: {
      int waiting = 0;
      return ::ioctl(file, SIOCINQ, &waiting) == 0 ? Answer{.result = waiting, .extra = {}} : network_errno();
    }
    default:
      return network_failure(ENOSYS);
  }
}

NetworkService::Entry NetworkService::find(std::uint64_t handle) {
  const std::scoped_lock guard(mutex_);
  const std::uint64_t index = handle - kFirstSocketHandle;
  return handle >= kFirstSocketHandle && index < entries_.size() ? entries_[index] : Entry{};
}

std::int64_t NetworkService::insert(Entry entry) {
  const std::scoped_lock guard(mutex_);
  std::uint32_t index = 0;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
    entries_[index] = std::move(entry);
  } else if (entries_.size() < max_handles_) {
    index = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back(std::move(entry));
    free_.reserve(entries_.size());  // so that a close never has to allocate
  } else {
    return -EMFILE;
  }
  return static_cast<std::int64_t>(index) + kFirstSocketHandle;
}

Answer NetworkService::close(std::uint64_t handle) {
  Entry closed;  // ends after the lock
  {
    const std::scoped_lock guard(mutex_);
    const std::uint64_t index = handle - kFirstSocketHandle;
    if (handle < kFirstSocketHandle || index >= entries_.size() || entries_[index].empty()) {
      return network_failure(EBADF);
    }
    closed = std::exchange(entries_[index], Entry{});
    free_.push_back(static_cast<std::uint32_t>(index));
  }
  if (!closed.socket) return {};
  const std::scoped_lock guard(closed.socket->watch_mutex);
  closed.socket->closed = true;
  for (const auto& [watcher, token] : closed.socket->watched) {
    if (const auto poller = watcher.lock(); poller) {
      const std::scoped_lock poller_guard(poller->mutex);
      poller->registrations.erase(token);
      // A thread that still uses the socket keeps it open for a moment: it must not be told of any more.
      ::epoll_ctl(poller->set.get(), EPOLL_CTL_DEL, closed.socket->file.get(), nullptr);
    }
  }
  return {};
}

Answer NetworkService::open_socket(const Call& call) {
  const auto [family, type, third, fourth] = call.arguments;
  const bool known =
      (family == AF_UNIX || family == AF_INET || family == AF_INET6) && (type == SOCK_STREAM || type == SOCK_DGRAM);
  if (!known) return network_failure(EINVAL);
  const auto same_transport = [&](const boundary::NetworkRule& rule) {
    const auto ip = type == SOCK_STREAM ? boundary::NetworkTransport::kTcp : boundary::NetworkTransport::kUdp;
    return rule.transport == (family == AF_UNIX ? boundary::NetworkTransport::kUnix : ip);
  };
  if (std::ranges::none_of(declared_, same_transport) ||
      (permitted_ && std::ranges::none_of(*permitted_, same_transport))) {
    return network_failure(EACCES);
  }
  auto socket = std::make_shared<Socket>();
  socket->family = static_cast<int>(family);
  socket->type = static_cast<int>(type);
  socket->file = FileDescriptor(::socket(socket->family, socket->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket->file) return network_errno();
  return {.result = insert({std::move(socket), nullptr}), .extra = {}};
}

Answer NetworkService::open_poller() {
  auto poller = std::make_shared<Poller>();
  poller->set = FileDescriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!poller->set) return network_errno();
  return {.result = insert({nullptr, std::move(poller)}), .extra = {}};
}

int NetworkService::descriptor_of(std::int32_t handle, Entry* keep) {
  switch (handle) {
    case boundary::kHostStdin:
      return streams_.input;
    case boundary::kHostStdout:
      return streams_.output;
    case boundary::kHostStderr:
      return streams_.error;
    default:
      break;
  }
  if (handle < kFirstSocketHandle) return -1;
  *keep = find(static_cast<std::uint64_t>(handle));
  if (keep->socket) return keep->socket->file.get();
  return keep->poller ? keep->poller->set.get() : -1;
}

}  // namespace coffer::host
