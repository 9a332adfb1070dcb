// Waiting for many descriptors in one request.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/bytes.h"
#include "host/network/network_parts.h"

namespace coffer::host {

using boundary::HostWait;
using boundary::PollerChange;
using boundary::PollerEvent;
using boundary::PollerOperation;

namespace {

constexpr std::uint32_t kEvents = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM |
                                  EPOLLWRBAND | EPOLLRDHUP | EPOLLERR | EPOLLHUP | EPOLLET | EPOLLONESHOT;

}  // namespace

Answer NetworkService::wait_for(const Call& call) {
  const std::uint64_t count = call.arguments[0];
  if (count > call.exchange.size() / sizeof(HostWait)) return network_failure(EINVAL);
  std::vector<HostWait> asked(count);
  if (count != 0) std::memcpy(asked.data(), call.exchange.data(), count * sizeof(HostWait));
  std::vector<Entry> kept(count);
  std::vector<pollfd> descriptors;
  descriptors.reserve(count + 2);
  bool gone = false;
  for (std::size_t i = 0; i < count; ++i) {
    const int file = descriptor_of(asked[i].handle, &kept[i]);
    gone = gone || file < 0;
    descriptors.push_back({file, static_cast<short>(asked[i].events), 0});
  }
  const int ready = waits_.wait(call.thread, descriptors, gone ? 0 : call.arguments[1]);
  if (ready < 0) return {.result = ready, .extra = {}};
  std::int64_t told = 0;
  for (std::size_t i = 0; i < count; ++i) {
    asked[i].revents = static_cast<std::uint16_t>(descriptors[i].fd < 0 ? POLLNVAL : descriptors[i].revents);
    if (asked[i].revents != 0) ++told;
  }
  if (count != 0) std::memcpy(call.exchange.data(), asked.data(), count * sizeof(HostWait));
  return {.result = told, .extra = {}};
}

// 0 or an errno.
int NetworkService::change(const PollerChange& change, const std::shared_ptr<Poller>& poller) {
  Entry entry;
  const int file = descriptor_of(change.handle, &entry);
  if (file < 0 || entry.poller == poller) return EBADF;
  epoll_event event{};
  event.events = change.events & kEvents;
  event.data.u64 = change.token;
  // In this order, as close() takes them.
  const std::shared_ptr<Socket>& socket = entry.socket;
  const auto watching = socket ? std::unique_lock(socket->watch_mutex) : std::unique_lock<std::mutex>();
  if (socket && socket->closed) return EBADF;
  const std::scoped_lock guard(poller->mutex);
  int result = 0;
  switch (change.operation) {
    case PollerOperation::kAdd:
    case PollerOperation::kChange:
      // The enclave may repeat a change that it does not know to have arrived.
      result = ::epoll_ctl(poller->set.get(), EPOLL_CTL_ADD, file, &event);
      if (result != 0 && errno == EEXIST) result = ::epoll_ctl(poller->set.get(), EPOLL_CTL_MOD, file, &event);
      if (result != 0) return errno;
      poller->registrations[change.token] = {
          socket, (change.flags & boundary::kPollerPrefetch) != 0 && socket && socket->type == SOCK_STREAM};
      if (socket) {
        socket->forget_watcher(*poller, change.token);
        socket->watched.emplace_back(poller, change.token);
      }
      return 0;
    case PollerOperation::kRemove:
      poller->registrations.erase(change.token);
      if (socket) socket->forget_watcher(*poller, change.token);
      return ::epoll_ctl(poller->set.get(), EPOLL_CTL_DEL, file, nullptr) == 0 ? 0 : errno;
    default:
      return EINVAL;
  }
}

Answer NetworkService::wait_poller(const Call& call, const std::shared_ptr<Poller>& poller) {
  const auto [handle, changes, timeout, most] = call.arguments;
  if (changes > call.exchange.size() / sizeof(PollerChange) || most > boundary::kMaxPollerEvents) {
    return network_failure(EINVAL);
  }
  std::vector<PollerChange> asked(changes);
  if (changes != 0) std::memcpy(asked.data(), call.exchange.data(), changes * sizeof(PollerChange));
  int first_failure = 0;
  for (const PollerChange& each : asked) {
    const int failure = change(each, poller);
    if (first_failure == 0) first_failure = failure;
  }
  // What went wrong with one change among many says nothing to who waits; who only changes wants to know.
  if (most == 0) return network_failure(first_failure);
  std::array<epoll_event, boundary::kMaxPollerEvents> found;
  int count = ::epoll_wait(poller->set.get(), found.data(), static_cast<int>(most), 0);
  if (count == 0 && timeout != 0) {
    const int ready = waits_.wait_for(call.thread, poller->set.get(), POLLIN, timeout);
    if (ready < 0) return {.result = ready, .extra = {}};
    if (ready > 0) count = ::epoll_wait(poller->set.get(), found.data(), static_cast<int>(most), 0);
  }
  if (count < 0) return network_errno();
  return put_events(call, *poller, std::span(found).first(static_cast<std::size_t>(count)));
}

Answer NetworkService::put_events(const Call& call, Poller& poller, std::span<const epoll_event> found) {
  std::size_t at = found.size() * sizeof(PollerEvent);
  if (at > call.exchange.size()) return network_failure(EINVAL);
  for (std::size_t i = 0; i < found.size(); ++i) {
    PollerEvent event{.token = found[i].data.u64, .stream_offset = 0, .events = found[i].events, .size = 0};
    std::shared_ptr<Socket> socket;
    if ((found[i].events & EPOLLIN) != 0) {
      const std::scoped_lock guard(poller.mutex);
      const auto registered = poller.registrations.find(event.token);
      if (registered != poller.registrations.end() && registered->second.prefetch) {
        socket = registered->second.socket.lock();
      }
    }
    const std::size_t room = std::min(boundary::kPrefetchMost, call.exchange.size() - at);
    if (socket && room == boundary::kPrefetchMost) {  // all of it, so that a short piece says that there is no more
      const std::scoped_lock guard(socket->mutex);
      const ssize_t size = ::recv(socket->file.get(), call.exchange.data() + at, room, MSG_DONTWAIT);
      event.stream_offset = socket->received;
      if (size > 0) {
        event.size = static_cast<std::uint32_t>(size);
        socket->received += event.size;
        at += event.size;
      }
    }
    std::memcpy(call.exchange.data() + i * sizeof(event), &event, sizeof(event));
  }
  return {.result = static_cast<std::int64_t>(found.size()), .extra = {at, 0, 0}};
}

}  // namespace coffer::host
