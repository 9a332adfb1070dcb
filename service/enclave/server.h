// All connections of a service: bytes of the host in, bytes for the host out. Thread-safe; deliveries for one
// connection wait for each other.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "service/enclave/http_connection.h"
#include "service/enclave/limits.h"
#include "service/enclave/log.h"
#include "service/enclave/metrics.h"
#include "service/enclave/rate_limit.h"
#include "service/enclave/router.h"
#include "service/enclave/tls.h"
#include "service/wire/protocol.h"

namespace coffer::service {

class Server {
 public:
  // `clock` gives milliseconds that never go back. Adds GET /healthz, /readyz and /metrics to the routes.
  Server(TlsContext tls, const Limits& limits, Router router, std::function<std::uint64_t()> clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Bytes of a connection, at most kMostBytes of them; fills `out` and says how much. A connection that is not known
  // and not new is answered with kClose, as is everything beyond the limits.
  [[nodiscard]] DeliverAnswer deliver(const DeliverHeader& header, std::span<const std::byte> in,
                                      std::span<std::byte> out);
  void disconnect(std::uint64_t connection);
  // Connections whose time is up: to be delivered to once more, without bytes, and then closed.
  [[nodiscard]] std::vector<std::uint64_t> expired();
  // From now on answers say that they are the last of their connection, and /readyz says no.
  void drain() { draining_ = true; }

  struct Load {
    std::size_t open = 0, busy = 0;
  };
  [[nodiscard]] Load load() const;
  [[nodiscard]] Log& log() { return log_; }
  [[nodiscard]] Metrics& metrics() { return metrics_; }

 private:
  struct Connection;
  std::shared_ptr<Connection> find(const DeliverHeader& header);
  void advance(Connection& connection, bool ended);
  void set_deadline(Connection& connection, std::uint64_t now);
  Response handle(Request& request, const Connection& connection);
  void forget(std::uint64_t number);

  const TlsContext tls_;
  const Limits limits_;
  Router router_;
  const std::function<std::uint64_t()> clock_;
  RateLimit rate_limit_;
  Log log_;
  Metrics metrics_;
  std::atomic<bool> draining_ = false;
  mutable std::mutex mutex_;  // of connections_ alone
  std::unordered_map<std::uint64_t, std::shared_ptr<Connection>> connections_;
};

}  // namespace coffer::service
