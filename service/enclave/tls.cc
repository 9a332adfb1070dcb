#include "service/enclave/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <new>

namespace coffer::service {
namespace {

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Bio reader_of(std::string_view text) {
  Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), &BIO_free);
  if (bio == nullptr) throw std::bad_alloc();
  return bio;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  static constexpr std::array<unsigned char, 9> kKnown = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* found = nullptr;  // will point into one of the lists
  if (SSL_select_next_proto(&found, size, kKnown.data(), kKnown.size(), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

bool load_chain(SSL_CTX* context, std::string_view pem) {
  const Bio bio = reader_of(pem);
  const Certificate leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
  if (leaf == nullptr || SSL_CTX_use_certificate(context, leaf.get()) != 1) return false;
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (SSL_CTX_add0_chain_cert(context, next) != 1) {
      X509_free(next);
      return false;
    }
  }
  return true;
}

bool trust_clients(SSL_CTX* context, std::string_view pem) {
  const Bio bio = reader_of(pem);
  bool any = false;
  while (X509* root = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    const Certificate owner(root, &X509_free);
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root) != 1) return false;
    if (SSL_CTX_add_client_CA(context, root) != 1) return false;
    any = true;
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return any;
}

}  // namespace

Result<TlsContext> TlsContext::create(std::string_view certificate_chain, std::string_view key,
                                      std::string_view client_roots) {
  TlsContext made(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = made.get();
  if (context == nullptr) throw std::bad_alloc();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
  constexpr std::array<unsigned char, 6> kName = {'c', 'o', 'f', 'f', 'e', 'r'};
  SSL_CTX_set_session_id_context(context, kName.data(), kName.size());
  if (!load_chain(context, certificate_chain)) return input_error("the TLS certificate is not a PEM certificate");
  const Bio bio = reader_of(key);
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> private_key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr), &EVP_PKEY_free);
  if (private_key == nullptr || SSL_CTX_use_PrivateKey(context, private_key.get()) != 1 ||
      SSL_CTX_check_private_key(context) != 1) {
    return input_error("the TLS key is not the certificate's");
  }
  if (!client_roots.empty() && !trust_clients(context, client_roots)) {
    return input_error("the roots of client certificates are not PEM certificates");
  }
  ERR_clear_error();
  return made;
}

TlsSession::TlsSession(const TlsContext& context) : ssl_(SSL_new(context.get()), &SSL_free) {
  BIO* in = BIO_new(BIO_s_mem());
  BIO* out = BIO_new(BIO_s_mem());
  if (ssl_ == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    throw std::bad_alloc();
  }
  BIO_set_mem_eof_return(in, -1);
  SSL_set_bio(ssl_.get(), in, out);
  SSL_set_accept_state(ssl_.get());
}

void TlsSession::feed(std::span<const std::byte> wire) {
  if (!wire.empty()) BIO_write(SSL_get_rbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
}

bool TlsSession::read(std::string& plain) {
  constexpr std::size_t kMost = 32 << 10;
  std::array<char, 8192> piece;
  const std::size_t before = plain.size();
  while (plain.size() - before < kMost) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), piece.data(), piece.size());
    if (got > 0) {
      plain.append(piece.data(), static_cast<std::size_t>(got));
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), got);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return true;
    failed_ = error != SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    return false;
  }
  return true;
}

void TlsSession::write(std::string_view plain) {
  while (!plain.empty() && !failed_) {
    ERR_clear_error();
    const int written =
        SSL_write(ssl_.get(), plain.data(), static_cast<int>(std::min<std::size_t>(plain.size(), 1 << 20)));
    if (written <= 0) {
      failed_ = true;
      ERR_clear_error();
      return;
    }
    plain.remove_prefix(static_cast<std::size_t>(written));
  }
}

void TlsSession::close() {
  if (!failed_ && established()) SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::size_t TlsSession::take(std::span<std::byte> wire) {
  if (wire.empty() || pending() == 0) return 0;
  const int got = BIO_read(SSL_get_wbio(ssl_.get()), wire.data(), static_cast<int>(wire.size()));
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

std::size_t TlsSession::pending() const { return BIO_ctrl_pending(SSL_get_wbio(ssl_.get())); }

std::string TlsSession::client_certificate() const {
  const Certificate certificate(SSL_get1_peer_certificate(ssl_.get()), &X509_free);
  if (certificate == nullptr || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return {};
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) return {};
  std::string text(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return text;
}

}  // namespace coffer::service
