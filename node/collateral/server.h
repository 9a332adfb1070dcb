// Serves a function's answers to GET requests over plain HTTP: for clients on this machine, or behind a proxy that does
// TLS.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/file.h"
#include "node/collateral/http.h"

namespace coffer::node {

// Thread-safe: called from several threads at once.
using Answerer = std::function<HttpAnswer(std::string_view target)>;

class HttpServer {
 public:
  // "127.0.0.1:8081", "[::1]:0": port 0 takes a free one.
  [[nodiscard]] static Result<HttpServer> listen(const std::string& place);
  HttpServer(HttpServer&&) noexcept = default;

  // "127.0.0.1:8081", with the port in force.
  [[nodiscard]] const std::string& place() const { return place_; }
  // Answers until `stop` is readable: each connection on a thread of its own, at most 64 at once, requests of at most
  // 16 KiB, ten seconds for each. Returns once every connection has ended.
  void serve(const Answerer& answer, int stop);

 private:
  HttpServer() = default;
  FileDescriptor socket_;
  std::string place_;
};

}  // namespace coffer::node
