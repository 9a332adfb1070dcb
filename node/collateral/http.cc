#include "node/collateral/http.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/file.h"

namespace coffer::node {
namespace {

namespace beast = boost::beast;

char lower(char character) {
  return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
}
bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

void limit_waiting(int socket, std::chrono::milliseconds timeout) {
  const timeval value{.tv_sec = timeout.count() / 1000, .tv_usec = (timeout.count() % 1000) * 1000};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value));
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value));
}

std::string place_of(const Url& url) { return url.host + ":" + url.port; }

// SO_SNDTIMEO bounds connecting too.
Result<FileDescriptor> connect_to(const Url& url, std::chrono::milliseconds timeout) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int wrong = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &found); wrong != 0) {
    return fail(ErrorKind::kSystem, "cannot find " + url.host + ": " + ::gai_strerror(wrong));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, ::freeaddrinfo);
  int why = ENOENT;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    FileDescriptor socket(::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol));
    if (!socket) continue;
    limit_waiting(socket.get(), timeout);
    if (::connect(socket.get(), each->ai_addr, each->ai_addrlen) == 0) return socket;
    why = errno == EINPROGRESS ? ETIMEDOUT : errno;
  }
  return system_error("cannot connect to " + place_of(url), why);
}

// A connection, with TLS or without.
class Connection {
 public:
  static Result<Connection> open(const Url& url, std::chrono::milliseconds timeout) {
    auto socket = connect_to(url, timeout);
    if (!socket) return std::unexpected(socket.error());
    Connection connection;
    connection.socket_ = std::move(*socket);
    if (url.secure) {
      if (auto done = connection.begin_tls(url); !done) return std::unexpected(done.error());
    }
    return connection;
  }

  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto sent = tls_ != nullptr
                            ? static_cast<ssize_t>(SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())))
                            : ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // 0 at the end, negative where it failed or took too long.
  ssize_t receive(std::span<char> room) {
    if (tls_ == nullptr) return ::recv(socket_.get(), room.data(), room.size(), 0);
    const int got = SSL_read(tls_.get(), room.data(), static_cast<int>(room.size()));
    if (got > 0) return got;
    return SSL_get_error(tls_.get(), got) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
  }

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeTls {
    void operator()(SSL* tls) const { SSL_free(tls); }
  };

  Result<void> begin_tls(const Url& url) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (context_ == nullptr || SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION) != 1) {
      return fail(ErrorKind::kSystem, "OpenSSL cannot make a TLS connection");
    }
    // Where this machine's authorities are: OpenSSL's own place (SSL_CERT_FILE and SSL_CERT_DIR go before), and
    // Debian's, whatever the library was built for.
    SSL_CTX_set_default_verify_paths(context_.get());
    SSL_CTX_load_verify_locations(context_.get(), nullptr, "/etc/ssl/certs");
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    tls_.reset(SSL_new(context_.get()));
    if (tls_ == nullptr || SSL_set_tlsext_host_name(tls_.get(), url.host.c_str()) != 1 ||
        SSL_set1_host(tls_.get(), url.host.c_str()) != 1 || SSL_set_fd(tls_.get(), socket_.get()) != 1) {
      return fail(ErrorKind::kSystem, "OpenSSL cannot make a TLS connection");
    }
    if (SSL_connect(tls_.get()) == 1) return {};
    const long verdict = SSL_get_verify_result(tls_.get());
    ERR_clear_error();
    if (verdict != X509_V_OK) {
      return fail(ErrorKind::kSystem, "the certificate of " + place_of(url) +
                                          " is not trusted: " + X509_verify_cert_error_string(verdict) +
                                          "; SSL_CERT_FILE names further authorities");
    }
    return fail(ErrorKind::kSystem, "no TLS connection with " + place_of(url));
  }

  FileDescriptor socket_;
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeTls> tls_;
};

// A connection that the other end has closed is an error here, not a signal.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    blocked_ = ::pthread_sigmask(SIG_BLOCK, &pipe, &before_) == 0 && sigismember(&before_, SIGPIPE) == 0;
  }
  ~NoPipeSignal() {
    if (!blocked_) return;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const timespec now{};
    while (::sigtimedwait(&pipe, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t before_{};
  bool blocked_ = false;
};

Result<HttpAnswer> read_answer(Connection& connection, const std::string& place,
                               std::chrono::steady_clock::time_point end) {
  beast::http::response_parser<beast::http::string_body> parser;
  parser.header_limit(kMostHeaders);
  parser.body_limit(kMostAnswer);
  parser.eager(true);
  std::string held;  // what the parser has not taken yet
  std::vector<char> room(16384);
  beast::error_code error;
  while (!parser.is_done()) {
    if (std::chrono::steady_clock::now() > end) return fail(ErrorKind::kSystem, place + " took too long to answer");
    const ssize_t got = connection.receive(room);
    if (got < 0) return fail(ErrorKind::kSystem, place + " gave no answer, or not in time");
    if (got == 0) {
      parser.put_eof(error);
      if (error || !parser.is_done()) return fail(ErrorKind::kSystem, place + " broke its answer off");
      break;
    }
    held.append(room.data(), static_cast<std::size_t>(got));
    while (!held.empty() && !parser.is_done()) {
      const std::size_t taken = parser.put(boost::asio::buffer(held), error);
      held.erase(0, taken);
      if (error == beast::http::error::need_more) {
        error = {};
        break;
      }
      if (error) return fail(ErrorKind::kSystem, place + " answered what is not HTTP: " + error.message());
      if (taken == 0) break;
    }
  }
  auto message = parser.release();
  HttpAnswer answer{.status = message.result_int(), .headers = {}, .body = std::move(message.body())};
  for (const auto& field : message) {
    answer.headers.emplace_back(std::string(field.name_string().data(), field.name_string().size()),
                                std::string(field.value().data(), field.value().size()));
  }
  return answer;
}

}  // namespace

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const auto& [have, value] : headers) {
    if (same_name(have, name)) return value;
  }
  return {};
}

Result<Url> parse_url(std::string_view text) {
  const auto wrong = [text](const char* why) {
    return input_error("'" + std::string(text) + "': " + why + "; give it like https://host:8081/sgx/certification/v4");
  };
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.secure = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return wrong("it is neither https nor http");
  }
  const bool plain = std::ranges::all_of(text, [](char each) { return each > ' ' && each < 127; });
  if (!plain) return wrong("it holds a character that no URL has");
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view place = rest.substr(0, slash);
  url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  url.port = url.secure ? "443" : "80";
  const std::size_t bracket = place.rfind(']');
  const std::size_t colon = place.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    url.port = place.substr(colon + 1);
    place = place.substr(0, colon);
  }
  if (place.starts_with('[') && place.ends_with(']')) place = place.substr(1, place.size() - 2);
  const bool number = !url.port.empty() && url.port.size() <= 5 &&
                      std::ranges::all_of(url.port, [](char digit) { return digit >= '0' && digit <= '9'; });
  if (place.empty() || place.find('@') != std::string_view::npos) return wrong("it names no host");
  if (!number) return wrong("its port is no number");
  url.host = place;
  return url;
}

Result<HttpAnswer> http_get(const Url& url, std::string_view target, std::chrono::milliseconds timeout) {
  const NoPipeSignal quiet;
  const auto end = std::chrono::steady_clock::now() + timeout;
  auto connection = Connection::open(url, timeout);
  if (!connection) return std::unexpected(connection.error());
  const std::string request = "GET " + url.path + std::string(target) + " HTTP/1.1\r\nHost: " + place_of(url) +
                              "\r\nUser-Agent: coffer\r\nAccept: */*\r\nConnection: close\r\n\r\n";
  if (!connection->send(request)) return fail(ErrorKind::kSystem, place_of(url) + " closed the connection");
  return read_answer(*connection, place_of(url), end);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string result;
  for (const char each : text) {
    const bool plain = (each >= '0' && each <= '9') || (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') ||
                       std::string_view("-_.~").find(each) != std::string_view::npos;
    if (plain) {
      result += each;
      continue;
    }
    const auto value = static_cast<unsigned char>(each);
    result += {'%', kDigits[value >> 4U], kDigits[value & 15U]};
  }
  return result;
}

Result<std::string> percent_decode(std::string_view text) {
  const auto digit = [](char each) -> int {
    if (each >= '0' && each <= '9') return each - '0';
    if (each >= 'a' && each <= 'f') return each - 'a' + 10;
    if (each >= 'A' && each <= 'F') return each - 'A' + 10;
    return -1;
  };
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      result += text[at];
      continue;
    }
    const int high = at + 2 < text.size() ? digit(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? digit(text[at + 2]) : -1;
    if (high < 0 || low < 0) return input_error("a '%' is not followed by two hexadecimal digits");
    result += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return result;
}

}  // namespace coffer::node
