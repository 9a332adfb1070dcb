// TLS of one connection over bytes: what the host carries goes in and comes out; between them is OpenSSL with memory
// BIOs.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace coffer::service {

// What all connections of a service share. Thread-safe once made.
class TlsContext {
 public:
  // PEM texts: the certificate with its chain, its key, and the certificates that may have signed those of clients
  // (empty: clients are not asked for any). Clients are never forced to have one: handlers decide.
  [[nodiscard]] static Result<TlsContext> create(std::string_view certificate_chain, std::string_view key,
                                                 std::string_view client_roots = {});
  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context, &SSL_CTX_free) {}
  std::shared_ptr<SSL_CTX> context_;
};

// Not thread-safe.
class TlsSession {
 public:
  explicit TlsSession(const TlsContext& context);

  // Takes bytes from the wire.
  void feed(std::span<const std::byte> wire);
  // Plain bytes that they held, appended to `plain`, at most about 32 KiB. False where the session is over: the client
  // said goodbye, or broke the protocol (failed()). What take() has is still to be sent.
  [[nodiscard]] bool read(std::string& plain);
  // Encrypts.
  void write(std::string_view plain);
  // Says goodbye.
  void close();
  // Bytes for the wire, as many as fit; how many.
  [[nodiscard]] std::size_t take(std::span<std::byte> wire);
  [[nodiscard]] std::size_t pending() const;

  [[nodiscard]] bool established() const { return SSL_is_init_finished(ssl_.get()) != 0; }
  [[nodiscard]] bool failed() const { return failed_; }
  // DER of the client's certificate, which was verified; empty where it gave none.
  [[nodiscard]] std::string client_certificate() const;

 private:
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  bool failed_ = false;
};

}  // namespace coffer::service
