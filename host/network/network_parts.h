// What the parts of the network service have in common; private to host/network.
#pragma once

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include "host/network/network_service.h"

namespace coffer::host {

struct NetworkService::Poller {
  struct Registration {
    std::weak_ptr<Socket> socket;  // empty for streams and pollers
    bool prefetch = false;
  };
  FileDescriptor set;                                   // of epoll
  std::mutex mutex;                                     // guards what follows
  std::map<std::uint64_t, Registration> registrations;  // by token
};

struct NetworkService::Socket {
  FileDescriptor file;
  int family = 0, type = 0;
  std::mutex mutex;            // one thread receives at a time, so that `received` says where its bytes stand
  std::uint64_t received = 0;  // bytes taken from a stream so far
  std::mutex watch_mutex;      // guards what follows; taken before a poller's
  bool closed = false;         // the enclave has; who still holds it registers it nowhere any more
  std::vector<std::pair<std::weak_ptr<Poller>, std::uint64_t>> watched;  // where it is registered, to be forgotten

  // Pollers that are no more go with it. `watch_mutex` is held.
  void forget_watcher(const Poller& poller, std::uint64_t token) {
    std::erase_if(watched, [&](const auto& each) {
      const auto watcher = each.first.lock();
      return !watcher || (watcher.get() == &poller && each.second == token);
    });
  }
};

struct NetworkService::Entry {
  std::shared_ptr<Socket> socket;
  std::shared_ptr<Poller> poller;
  [[nodiscard]] bool empty() const { return !socket && !poller; }
};

struct NetworkService::Call {
  boundary::Request request;
  const RequestArguments& arguments;
  std::span<std::byte> exchange;
  std::uint32_t thread;
};

inline Answer network_failure(int error_number) { return {.result = -error_number, .extra = {}}; }
inline Answer network_errno() { return network_failure(errno); }

}  // namespace coffer::host
