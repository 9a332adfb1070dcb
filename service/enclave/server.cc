#include "service/enclave/server.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace coffer::service {
namespace {

std::string address_text(const std::uint8_t (&peer)[16]) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool version4 = std::memcmp(peer, kMapped.data(), kMapped.size()) == 0;
  if (::inet_ntop(version4 ? AF_INET : AF_INET6, version4 ? peer + kMapped.size() : peer, text.data(), text.size()) ==
      nullptr) {
    return "?";
  }
  return text.data();
}

std::uint64_t now_microseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

}  // namespace

struct Server::Connection {
  Connection(const TlsContext& tls, const Limits& limits, std::string from)
      : session(tls), http(limits), peer(std::move(from)) {}

  std::mutex mutex;
  TlsSession session;
  HttpConnection http;
  const std::string peer;
  bool over = false;   // nothing is read any more
  bool timed = false;  // phase and served are those that the deadline is of
  std::size_t served = 0;
  HttpConnection::Phase phase = HttpConnection::Phase::kIdle;
  // Read without the mutex.
  std::atomic<std::uint64_t> deadline = 0;
  std::atomic<bool> busy = false;
};

Server::Server(TlsContext tls, const Limits& limits, Router router, std::function<std::uint64_t()> clock)
    : tls_(std::move(tls)),
      limits_(limits),
      router_(std::move(router)),
      clock_(std::move(clock)),
      rate_limit_(limits.requests_per_second, limits.burst) {
  router_.add("GET", "/healthz", [](const auto&, const auto&) { return Response::json(R"({"status":"ok"})"); });
  router_.add("GET", "/readyz", [this](const auto&, const auto&) {
    if (draining_) return Response::error(503, "Draining", "the service is about to stop");
    return Response::json(R"({"status":"ready"})");
  });
  router_.add("GET", "/metrics", [this](const auto&, const auto&) {
    metrics_.set_gauge("connections", load().open);
    Response response = Response::text(metrics_.text());
    response.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return response;
  });
}

Server::~Server() = default;

std::shared_ptr<Server::Connection> Server::find(const DeliverHeader& header) {
  const std::lock_guard lock(mutex_);
  const auto found = connections_.find(header.connection);
  if (found != connections_.end()) return (header.flags & kNew) != 0 ? nullptr : found->second;
  if ((header.flags & kNew) == 0) return nullptr;
  if (connections_.size() >= limits_.connections) {
    metrics_.count("connections_refused");
    return nullptr;
  }
  auto made = std::make_shared<Connection>(tls_, limits_, address_text(header.peer));
  made->deadline = clock_() + limits_.handshake_time;
  connections_.emplace(header.connection, made);
  metrics_.count("connections_accepted");
  return made;
}

DeliverAnswer Server::deliver(const DeliverHeader& header, std::span<const std::byte> in, std::span<std::byte> out) {
  const std::shared_ptr<Connection> connection = find(header);
  if (connection == nullptr || in.size() > kMostBytes) {
    if (connection != nullptr) forget(header.connection);
    return {.flags = kClose};
  }
  const std::lock_guard lock(connection->mutex);
  const std::uint64_t now = clock_();
  if (now > connection->deadline && !connection->over) {
    std::string last;
    connection->http.time_out(last);
    if (connection->session.established()) connection->session.write(last);
    connection->session.close();
    connection->over = true;
    metrics_.count("connections_timed_out");
  }
  if (!connection->over) {
    connection->session.feed(in);
    advance(*connection, (header.flags & kEnd) != 0);
    set_deadline(*connection, now);
  }
  DeliverAnswer answer;
  answer.size = static_cast<std::uint32_t>(connection->session.take(out));
  const bool more = connection->session.pending() != 0 || (!connection->over && connection->http.waiting());
  if (more) answer.flags |= kMore;
  if (connection->over && !more) {
    answer.flags |= kClose;
    forget(header.connection);
  }
  return answer;
}

// Reads what TLS has, answers what is whole, and encrypts the answers, until one of them has to wait.
void Server::advance(Connection& connection, bool ended) {
  const Handler handler = [&](Request& request) { return handle(request, connection); };
  while (connection.session.pending() < limits_.pending_bytes) {
    std::string plain, answers;
    const bool open = connection.session.read(plain);
    const bool resumed = connection.http.waiting();
    if (draining_) connection.http.close_after_next();
    if (!plain.empty() || resumed) connection.http.receive(plain, handler, answers);
    connection.session.write(answers);
    ::explicit_bzero(plain.data(), plain.size());
    if (!open || connection.http.finished() || connection.session.failed()) {
      if (connection.session.failed())
        metrics_.count(connection.session.established() ? "tls_failed" : "handshakes_failed");
      connection.session.close();
      connection.over = true;
      return;
    }
    if (plain.empty() && !connection.http.waiting()) break;
  }
  // Nothing else comes, and what is here is answered.
  if (ended && connection.session.pending() < limits_.pending_bytes) {
    connection.session.close();
    connection.over = true;
  }
}

// A phase has its time from its begin, however often bytes come in it.
void Server::set_deadline(Connection& connection, std::uint64_t now) {
  if (connection.over || !connection.session.established()) return;
  const auto phase = connection.http.phase();
  const bool began = !connection.timed || phase != connection.phase || connection.http.served() != connection.served;
  connection.busy = phase != HttpConnection::Phase::kIdle || connection.session.pending() != 0;
  connection.timed = true;
  connection.phase = phase;
  connection.served = connection.http.served();
  if (!began) return;
  const std::uint64_t time = phase == HttpConnection::Phase::kIdle     ? limits_.idle_time
                             : phase == HttpConnection::Phase::kHeader ? limits_.header_time
                                                                       : limits_.body_time;
  connection.deadline = now + time;
}

Response Server::handle(Request& request, const Connection& connection) {
  const std::uint64_t begin = now_microseconds();
  request.peer = connection.peer;
  request.client_certificate = connection.session.client_certificate();
  Router::Routed routed;
  if (const unsigned wait = rate_limit_.take(connection.peer, clock_()); wait != 0) {
    routed.response = Response::error(429, "TooManyRequests", "too many requests from this address");
    routed.response.headers.emplace_back("Retry-After", std::to_string(wait));
    routed.pattern = "limited";
  } else {
    routed = router_.route(request);
  }
  const std::uint64_t took = now_microseconds() - begin;
  metrics_.count_request(routed.pattern, request.method, routed.response.status, took);
  log_.write(routed.response.status >= 500 ? "error" : "info", "request",
             {{"method", request.method.substr(0, 16)},
              {"route", std::string(routed.pattern)},
              {"status", std::int64_t{routed.response.status}},
              {"microseconds", static_cast<std::int64_t>(took)},
              {"bytes_in", static_cast<std::int64_t>(request.body.size())},
              {"bytes_out", static_cast<std::int64_t>(routed.response.body.size())},
              {"peer", connection.peer},
              {"request_id", request.trace.request_id},
              {"trace_id", request.trace.trace_id}});
  return std::move(routed.response);
}

void Server::forget(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  connections_.erase(number);
}

void Server::disconnect(std::uint64_t connection) { forget(connection); }

std::vector<std::uint64_t> Server::expired() {
  const std::uint64_t now = clock_();
  std::vector<std::uint64_t> numbers;
  const std::lock_guard lock(mutex_);
  for (const auto& [number, connection] : connections_) {
    // While it drains, whoever has nothing to do is sent home.
    if (draining_ && !connection->busy) connection->deadline = 0;
    if (now > connection->deadline) numbers.push_back(number);
  }
  return numbers;
}

Server::Load Server::load() const {
  const std::lock_guard lock(mutex_);
  Load load;
  load.open = connections_.size();
  load.busy = static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const auto& entry) { return entry.second->busy.load(); }));
  return load;
}

}  // namespace coffer::service
