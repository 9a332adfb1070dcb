#include "node/collateral/server.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

namespace coffer::node {
namespace {

namespace beast = boost::beast;

constexpr std::size_t kMostRequest = 16384;
constexpr int kMostConnections = 64;
constexpr std::chrono::seconds kPatience{10};

std::string_view words_of(unsigned status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 500:
      return "Internal Server Error";
    default:
      return "Answer";
  }
}

bool send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool send_answer(int socket, const HttpAnswer& answer, bool keep, bool with_body) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(words_of(answer.status)) + "\r\n";
  for (const auto& [name, value] : answer.headers) text.append(name).append(": ").append(value).append("\r\n");
  text += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
  text += keep ? "\r\n" : "Connection: close\r\n\r\n";
  if (with_body) text += answer.body;
  return send_all(socket, text);
}

struct Request {
  std::string method, target;
  bool keep = false;
};

// Nothing at the end of the connection, and where what comes is no request; then `malformed` says so.
std::optional<Request> read_request(int socket, std::string& held, bool* malformed) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  beast::http::request_parser<beast::http::empty_body> parser;
  parser.header_limit(kMostRequest);
  beast::error_code error;
  char room[4096];
  std::size_t total = 0;
  while (!parser.is_done()) {
    const std::size_t taken = parser.put(boost::asio::buffer(held), error);
    held.erase(0, taken);
    if (parser.is_done()) break;
    if (error && error != beast::http::error::need_more) {
      *malformed = true;
      return std::nullopt;
    }
    error = {};
    const ssize_t got = ::recv(socket, room, sizeof(room), 0);
    if (got <= 0 || std::chrono::steady_clock::now() > end) return std::nullopt;
    total += static_cast<std::size_t>(got);
    if (total > kMostRequest) {
      *malformed = true;
      return std::nullopt;
    }
    held.append(room, static_cast<std::size_t>(got));
  }
  const auto message = parser.release();
  return Request{.method = {message.method_string().data(), message.method_string().size()},
                 .target = {message.target().data(), message.target().size()},
                 .keep = message.keep_alive()};
}

void serve_connection(const FileDescriptor& socket, const Answerer& answer, const std::atomic<bool>& stopping) {
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  std::string held;
  while (!stopping) {
    bool malformed = false;
    const auto request = read_request(socket.get(), held, &malformed);
    if (!request) {
      if (malformed) send_answer(socket.get(), {.status = 400, .headers = {}, .body = "no request\n"}, false, true);
      return;
    }
    const bool head = request->method == "HEAD";
    if (!head && request->method != "GET") {
      send_answer(socket.get(), {.status = 405, .headers = {{"Allow", "GET, HEAD"}}, .body = {}}, false, true);
      return;
    }
    if (!send_answer(socket.get(), answer(request->target), request->keep, !head) || !request->keep) return;
  }
}

// The connections that are open, to be woken and waited for.
class Connections {
 public:
  bool enter(int socket) {
    const std::scoped_lock guard(lock_);
    if (open_.size() >= kMostConnections) return false;
    open_.push_back(socket);
    return true;
  }
  // Closes the socket, under the lock, so that its number is not another connection's before it is forgotten here.
  void leave(FileDescriptor socket) {
    const std::scoped_lock guard(lock_);
    std::erase(open_, socket.get());
    socket.reset();
    changed_.notify_all();
  }
  void end_all() {
    std::unique_lock guard(lock_);
    for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
    changed_.wait(guard, [this] { return open_.empty(); });
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<int> open_;
};

std::string place_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  char host[64];
  char port[16];
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      ::getnameinfo(reinterpret_cast<sockaddr*>(&address), size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  return address.ss_family == AF_INET6 ? "[" + std::string(host) + "]:" + port : std::string(host) + ":" + port;
}

}  // namespace

Result<HttpServer> HttpServer::listen(const std::string& place) {
  const auto url = parse_url("http://" + place);
  if (!url || !url->path.empty() || place.rfind(':') == std::string::npos) {
    return input_error(place + ": not a place to listen at; give it like 127.0.0.1:8081");
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  if (const int wrong = ::getaddrinfo(url->host.c_str(), url->port.c_str(), &hints, &found); wrong != 0) {
    return input_error("cannot listen at " + place + ": " + ::gai_strerror(wrong));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  HttpServer server;
  server.socket_ = FileDescriptor(::socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, found->ai_protocol));
  const int yes = 1;
  if (!server.socket_ || ::setsockopt(server.socket_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
      ::bind(server.socket_.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(server.socket_.get(), 64) != 0) {
    return system_error("cannot listen at " + place, errno);
  }
  server.place_ = place_of(server.socket_.get());
  return server;
}

void HttpServer::serve(const Answerer& answer, int stop) {
  Connections connections;
  std::atomic<bool> stopping{false};
  while (true) {
    pollfd waits[] = {{.fd = socket_.get(), .events = POLLIN, .revents = 0},
                      {.fd = stop, .events = POLLIN, .revents = 0}};
    if (::poll(waits, 2, -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (waits[1].revents != 0) break;
    FileDescriptor accepted(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!accepted || !connections.enter(accepted.get())) continue;  // too many: this one is closed
    auto socket = std::make_shared<FileDescriptor>(std::move(accepted));
    try {
      std::thread([socket, &answer, &connections, &stopping] {
        serve_connection(*socket, answer, stopping);
        connections.leave(std::move(*socket));  // the last that is done with anything of serve()'s
      }).detach();
    } catch (const std::system_error&) {
      connections.leave(std::move(*socket));
    }
  }
  stopping = true;
  connections.end_all();
}

}  // namespace coffer::node
