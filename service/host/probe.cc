#include "service/host/probe.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>

#include "base/file.h"

namespace coffer::service {
namespace {

constexpr std::size_t kMostAnswer = 4 << 20;

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Session = std::unique_ptr<SSL, decltype(&SSL_free)>;

Result<FileDescriptor> connect_local(std::uint16_t port) {
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return system_error("no socket can be made", errno);
  const timeval most{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    return system_error("cannot connect to port " + std::to_string(port), errno);
  }
  return socket;
}

bool trust(SSL_CTX* context, const std::string& authority) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(authority.data(), static_cast<int>(authority.size())), &BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> root(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                         &X509_free);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return root != nullptr && X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get()) == 1;
}

Result<ProbeAnswer> parse(const std::string& text) {
  ProbeAnswer answer;
  const std::size_t end = text.find("\r\n\r\n");
  constexpr std::size_t kStatusAt = 9;  // "HTTP/1.1 200"
  if (end == std::string::npos || !text.starts_with("HTTP/1.1 ") ||
      std::from_chars(text.data() + kStatusAt, text.data() + kStatusAt + 3, answer.status).ec != std::errc()) {
    return fail(ErrorKind::kSystem, "the service did not answer in HTTP");
  }
  answer.body = text.substr(end + 4);
  return answer;
}

}  // namespace

Result<ProbeAnswer> probe(const Probe& request) {
  const auto socket = connect_local(request.port);
  if (!socket) return std::unexpected(socket.error());
  const Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (context == nullptr || !trust(context.get(), request.authority))
    return input_error("the authority is no PEM certificate");
  const Session session(SSL_new(context.get()), &SSL_free);
  if (session == nullptr || SSL_set1_host(session.get(), request.name.c_str()) != 1 ||
      SSL_set_fd(session.get(), socket->get()) != 1) {
    return fail(ErrorKind::kSystem, "there is no memory for a TLS session");
  }
  if (SSL_connect(session.get()) != 1)
    return refused("the TLS handshake with port " + std::to_string(request.port) + " failed");
  std::string text = request.method + " " + request.path + " HTTP/1.1\r\nHost: " + request.name +
                     "\r\nConnection: close\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  if (!request.bearer.empty()) text += "Authorization: Bearer " + request.bearer + "\r\n";
  text += "\r\n" + request.body;
  if (SSL_write(session.get(), text.data(), static_cast<int>(text.size())) <= 0) {
    return fail(ErrorKind::kSystem, "the service takes no request");
  }
  std::string answer;
  std::array<char, 4096> piece;
  for (int got = 0; answer.size() < kMostAnswer && (got = SSL_read(session.get(), piece.data(), piece.size())) > 0;) {
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  return parse(answer);
}

}  // namespace coffer::service
