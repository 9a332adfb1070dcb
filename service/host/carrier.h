// Carries bytes between TCP connections and an enclave: accepts, reads, delivers, writes, closes. One thread, one epoll
// set; several carriers can share a listening socket.
#pragma once

#include <netinet/in.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "service/wire/protocol.h"

namespace coffer::service {

// Into the enclave and back: how much of `out` was filled, which begins with a DeliverAnswer; 0 where the enclave has
// gone.
using Deliver = std::function<std::size_t(std::span<const std::byte> in, std::span<std::byte> out)>;
using Disconnected = std::function<void(std::uint64_t connection)>;

// A listening socket, non-blocking, at "127.0.0.1" or "::"; port 0 takes a free one.
[[nodiscard]] Result<FileDescriptor> listen_tcp(const std::string& address, std::uint16_t port);
[[nodiscard]] std::uint16_t port_of(int socket);

class Carrier {
 public:
  // `first`, `step`: this carrier's connections have the numbers first, first + step, ... . `in` and `out` hold a
  // header and kMostBytes each. `most`: connections at once; more wait in the listener's queue.
  Carrier(int listener, std::uint64_t first, std::uint64_t step, std::size_t most, std::span<std::byte> in,
          std::span<std::byte> out, Deliver deliver, Disconnected disconnected);
  ~Carrier();
  Carrier(const Carrier&) = delete;
  Carrier& operator=(const Carrier&) = delete;

  // Until stop(). On the caller's thread.
  void run();
  // From any thread. Connections are closed.
  void stop();
  // From any thread: no connection is accepted from now on.
  void stop_accepting();
  // From any thread: delivers to this carrier's connections once more, without bytes. Others are ignored.
  void nudge(std::vector<std::uint64_t> connections);

 private:
  struct Connection;
  void wake() const;
  void take_orders();
  void accept_all();
  void watch(Connection& connection);
  void read(Connection& connection);
  void deliver(Connection& connection, std::size_t size, std::uint32_t flags);
  void write(Connection& connection);
  void drop(std::uint64_t number);
  void drop_stuck();
  Connection* find(std::uint64_t number);

  const int listener_;
  std::uint64_t next_;
  const std::uint64_t first_, step_;
  const std::size_t most_;
  const std::span<std::byte> in_, out_;
  const Deliver deliver_;
  const Disconnected disconnected_;
  FileDescriptor epoll_, event_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Connection>> connections_;
  bool accepting_ = true, listening_ = false;
  std::atomic<bool> stopping_ = false, refuse_new_ = false;
  std::mutex mutex_;  // of nudged_
  std::vector<std::uint64_t> nudged_;
};

}  // namespace coffer::service
