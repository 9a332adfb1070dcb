// HTTP/1.1 (RFC 9112) of one connection: plain bytes in, requests to a handler, answers out. Bytes come in any pieces;
// pipelined requests are answered in their order. Parsing is Boost.Beast's, without its sockets. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "service/enclave/limits.h"
#include "service/enclave/message.h"

namespace coffer::service {

// Must not throw. Fields of the connection (peer, client_certificate) are empty still.
using Handler = std::function<Response(Request&)>;

class HttpConnection {
 public:
  explicit HttpConnection(const Limits& limits);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // Takes the bytes, hands each request that is whole to the handler, and appends the answers to `out`, as long as that
  // holds less than the limit of pending bytes; what is left is kept for the next call, also one without bytes. Nothing
  // is taken once finished().
  void receive(std::string_view bytes, const Handler& handler, std::string& out);
  // A request that took too long: 408 where one was begun, and the end.
  void time_out(std::string& out);

  // No request is read any more: the client asked for that, or sent something that is no request.
  [[nodiscard]] bool finished() const { return finished_; }
  // The answer to the request that comes next says that it is the last.
  void close_after_next() { closing_ = true; }

  enum class Phase { kIdle, kHeader, kBody };
  [[nodiscard]] Phase phase() const;
  // Requests that were answered.
  [[nodiscard]] std::size_t served() const { return served_; }
  // Whether bytes are left that receive() has not looked at, since the client takes no answers.
  [[nodiscard]] bool waiting() const { return waiting_; }

 private:
  struct Parser;
  void step(const Handler& handler, std::string& out, bool& more);
  void answer(const Response& response, bool keep_alive, bool head_only, std::string& out);
  void refuse(unsigned status, std::string_view code, std::string_view message, std::string& out);
  void serve(const Handler& handler, std::string& out);

  const Limits& limits_;
  std::unique_ptr<Parser> parser_;
  std::string buffer_;
  std::size_t served_ = 0;
  bool finished_ = false, closing_ = false, waiting_ = false;
};

}  // namespace coffer::service
